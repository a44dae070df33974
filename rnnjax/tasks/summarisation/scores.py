"""How good summaries are: ROUGE, beside that of the first words of each text."""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rnnjax.data.prepared import Prepared
from rnnjax.data.tokens import WORD, tokenize
from rnnjax.errors import UserError
from rnnjax.models.decoding import SAMPLED, Search, sample_text
from rnnjax.models.seq2seq import Seq2Seq
from rnnjax.tasks.summarisation.config import SummarisationConfig
from rnnjax.tasks.summarisation.summarizer import Summarizer

KINDS = ("rouge1", "rouge2", "rougeL")

_WORD = re.compile(f"{WORD}+")


def rouge(summaries: Sequence[str], references: Sequence[str]) -> list[dict[str, float]]:
    """ROUGE-1, ROUGE-2 and ROUGE-L of each summary: F1 in percent.

    By the package rouge-score with stemming: of single words, of pairs of words, and of the longest
    common subsequence. The package knows the letters a to z alone; here words of any letters count,
    those with others than a to z without stemming.

    Raises:
        UserError: the package is not installed.

    References:
        Lin 2004, "ROUGE: a package for automatic evaluation of summaries".
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer  # It takes a second.
        from rouge_score.tokenizers import DefaultTokenizer
    except ImportError as error:
        raise UserError(
            f"ROUGE needs a package ({error}): pip install 'rnnjax[summarisation]'"
        ) from error
    scorer = RougeScorer(list(KINDS), tokenizer=_Words(DefaultTokenizer(use_stemmer=True).tokenize))
    found = map(scorer.score, references, summaries)
    return [{kind: 100 * one[kind].fmeasure for kind in KINDS} for one in found]


class _Words(NamedTuple):
    """A tokenizer for rouge-score, with `stem` for the words that the package knows."""

    stem: Callable[[str], list[str]]

    def tokenize(self, text: str) -> list[str]:
        words = _WORD.findall(text.lower().replace("_", " "))
        return [one for word in words for one in (self.stem(word) if word.isascii() else [word])]


def mean(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each kind of score over a split."""
    return {kind: sum(one[kind] for one in scores) / len(scores) for kind in KINDS}


def first_words(text: str, size: int) -> str:
    """The lead baseline: so many words and punctuation marks of a text, from its first on."""
    tokens = tokenize(text)[:size]
    return text[tokens[0].start : tokens[-1].end] if tokens else ""


def validation_scores(
    config: SummarisationConfig, prepared: Prepared, model: Seq2Seq
) -> dict[str, float]:
    """The mean ROUGE of the validation split, summarised greedily."""
    pairs = prepared.splits["validation"]
    texts = _write(config, prepared, model, [pair.source for pair in pairs])
    return mean(rouge(texts, [pair.target for pair in pairs]))


def sample(config: SummarisationConfig, prepared: Prepared, model: Seq2Seq) -> str:
    """The first validation texts and what the model writes for them greedily."""
    sources, references, *_ = zip(*prepared.splits["validation"][:SAMPLED], strict=True)
    return sample_text(sources, references, _write(config, prepared, model, sources))


def _write(
    config: SummarisationConfig, prepared: Prepared, model: Seq2Seq, sources: Sequence[str]
) -> list[str]:
    vocabulary, lengths, greedy = prepared.vocabulary, prepared.lengths, Search(beam_size=1)
    summarizer = Summarizer(model, vocabulary, lengths, config.limit, greedy)
    return [one.text for one in summarizer.summarize(sources)]
