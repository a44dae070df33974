"""How good summaries are: ROUGE, beside that of the first words of each text."""

from collections.abc import Callable, Sequence
from typing import Any

from flax import nnx

from rnnjax import training
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.data.tokens import tokenize
from rnnjax.errors import UserError
from rnnjax.models.decoding import SAMPLED, Search, sample_text
from rnnjax.models.seq2seq import Seq2Seq
from rnnjax.tasks.summarisation.config import SummarisationConfig
from rnnjax.tasks.summarisation.preparation import Prepared, summary_examples
from rnnjax.tasks.summarisation.summarizer import Summarizer, make_loss

KINDS = ("rouge1", "rouge2", "rougeL")


def rouge(summaries: Sequence[str], references: Sequence[str]) -> list[dict[str, float]]:
    """ROUGE-1, ROUGE-2 and ROUGE-L of each summary: F1 in percent.

    By the package rouge-score with stemming: of single words, of pairs of words, and of the longest
    common subsequence.

    Raises:
        UserError: the package is not installed.

    References:
        Lin 2004, "ROUGE: a package for automatic evaluation of summaries".
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer  # It takes a second.
    except ImportError as error:
        raise UserError(
            f"ROUGE needs a package ({error}): pip install 'rnnjax[summarisation]'"
        ) from error
    scorer = RougeScorer(list(KINDS), use_stemmer=True)
    found = map(scorer.score, references, summaries)
    return [{kind: 100 * one[kind].fmeasure for kind in KINDS} for one in found]


def mean(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each kind of score over a split."""
    return {kind: sum(one[kind] for one in scores) / len(scores) for kind in KINDS}


def first_words(text: str, size: int) -> str:
    """The lead baseline: so many words and punctuation marks of a text, from its first on."""
    tokens = tokenize(text)[:size]
    return text[tokens[0].start : tokens[-1].end] if tokens else ""


def make_evaluation(
    config: SummarisationConfig,
    graph: nnx.GraphDef,
    prepared: Prepared,
    placement: training.Placement = training.LOCAL,
) -> Callable[[Any], dict[str, float]]:
    """Makes the function that judges parameters on the validation split.

    Args:
        config: of the run.
        graph: of the model.
        prepared: its data.
        placement: where the parameters live.

    Returns:
        ``(params) -> {"loss", "rouge1", ...}``: the loss in nats a symbol of the references, and
        ROUGE of summaries that are written greedily.
    """
    rouge([], [])  # a missing package is told before the training
    pairs = prepared.corpus.splits["validation"]
    examples = summary_examples(pairs, prepared.vocabulary, config, prepared.lengths)
    batches = EvaluationBatches(examples, batch_size=config.batch_size)
    step = training.make_eval_step(make_loss(config, graph), placement)
    texts, references = [pair.source for pair in pairs], [pair.target for pair in pairs]

    def evaluate(params: Any) -> dict[str, float]:
        loss = training.evaluate(step, params, None, batches, placement)
        model = nnx.merge(graph, placement.gather(params))
        summaries = [one.text for one in _greedy(config, prepared, model).summarize(texts)]
        return {**loss, **mean(rouge(summaries, references))}

    return evaluate


def sample(config: SummarisationConfig, prepared: Prepared, model: Seq2Seq) -> str:
    """The first validation texts and what the model writes for them greedily."""
    sources, references, *_ = zip(*prepared.corpus.splits["validation"][:SAMPLED], strict=True)
    found = _greedy(config, prepared, model).summarize(sources)
    return sample_text(sources, references, [one.text for one in found])


def _greedy(config: SummarisationConfig, prepared: Prepared, model: Seq2Seq) -> Summarizer:
    lengths, search = prepared.lengths, Search(beam_size=1)
    return Summarizer(model, prepared.vocabulary, lengths, config.limit, search)
