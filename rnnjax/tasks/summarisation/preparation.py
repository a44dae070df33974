"""From the pairs of a config to what a summarizer trains on."""

from collections.abc import Sequence

import numpy as np

from rnnjax import data
from rnnjax.data.files import files_at
from rnnjax.data.named_splits import is_list_of_paths, split_files
from rnnjax.data.padded_batches import EvaluationBatches, Examples, TrainingBatches
from rnnjax.data.pair_batches import Lengths, describe_unknown, pair_examples
from rnnjax.data.prepared import Prepared
from rnnjax.data.text_pairs import Corpus, Pair, read_pairs, with_words
from rnnjax.errors import UserError
from rnnjax.tasks.summarisation.config import SummarisationConfig
from rnnjax.tasks.summarisation.docstrings import docstring_pairs
from rnnjax.tasks.summarisation.mails import SUFFIX, read_mail
from rnnjax.tasks.summarisation.vocabulary import Encoded, SummaryVocabulary


def load_pairs(config: SummarisationConfig) -> Corpus:
    """The texts and summaries of a config, in splits; see `read_pairs`.

    Raises:
        UserError: there is no such source, or what is there cannot be used.
    """
    if config.data == "embedded":
        return Corpus(docstring_pairs())
    is_path = not config.data.startswith("tfds:") and not is_list_of_paths(config.data)
    if is_path and any(path.suffix == SUFFIX for path in files_at(config.data)):
        found = split_files(config.data)
        mails = found.read(lambda path: [read_mail(path, encoding=config.encoding)])
        return with_words(mails, config.data, found.note_of_others())
    return read_pairs(config.data, config.columns)


def prepare(config: SummarisationConfig, vocabulary: SummaryVocabulary | None = None) -> Prepared:
    """Loads pairs and makes the vocabulary, buckets and training batches.

    Args:
        vocabulary: one that a model was trained with.

    Raises:
        UserError: the pairs or the vectors cannot be used, all are too long, or a number is out of
            range.
    """
    corpus = load_pairs(config)
    pairs = corpus.splits["train"]
    vocabulary = vocabulary or SummaryVocabulary.of(
        (text for pair in pairs for text in pair[:2]),
        level=config.level,
        min_count=config.min_count,
        num_subwords=config.num_subwords,
    )
    vectors = None
    if config.vectors:
        vectors = data.read_vectors(config.vectors, vocabulary.words, encoding=config.encoding)
    whole = np.array([len(vocabulary.encode(pair.source)) for pair in pairs])
    summaries = np.array([len(vocabulary.encode(pair.target)) for pair in pairs])
    wordy = summaries > config.max_summary
    kept = np.flatnonzero(~wordy & config.keeps(whole))
    if not kept.size:
        raise UserError(
            f"every training pair is too long for --config.max_length={config.max_length} and "
            f"--config.max_summary={config.max_summary}: the shortest text has {whole.min()} "
            f"symbols, the shortest summary {summaries.min()}, their ends included"
        )
    notes = [
        *config.notes({"train": whole}, "texts", "symbols"),
        *([f"{wordy.sum():,} training summaries are longer than {config.max_summary} and left out"]
          if wordy.any() else []),
    ]  # fmt: skip
    lengths = Lengths.of(
        config.cut(whole[kept]).tolist(),
        summaries[kept].tolist(),
        config.num_buckets,
        config.batch_size,
    )
    chosen = [pairs[n] for n in kept.tolist()]
    examples = summary_examples(chosen, vocabulary, config, lengths)
    held_out = summary_examples(corpus.splits["validation"], vocabulary, config, lengths)
    unknown = describe_unknown({"train": examples, "validation": held_out})
    lines = [
        f"{'; '.join([corpus.describe(), *notes])}.",
        f"{len(vocabulary):,} symbols ({vocabulary.level}; {unknown}, of texts and of summaries); "
        f"padded to {lengths.describe()}.",
    ]
    if vectors is not None:
        lines.append(f"{vectors.coverage(vocabulary.words)}.")
    return Prepared(
        TrainingBatches(examples, batch_size=config.batch_size, seed=config.seed, pool=config.pool),
        EvaluationBatches(held_out, batch_size=config.batch_size),
        "\n".join(lines),
        corpus.splits,
        corpus.digest,
        vocabulary,
        vectors,
        lengths,
    )


def summary_examples(
    pairs: Sequence[Pair],
    vocabulary: SummaryVocabulary,
    config: SummarisationConfig,
    lengths: Lengths,
) -> Examples:
    """Pairs in numbers; see `pair_examples`. With copies, texts have `symbols` too."""
    texts = [vocabulary.read(pair.source, config.limit) for pair in pairs]
    targets = [
        vocabulary.encode_summary(pair.target, text.unknown if config.copy else ())
        for pair, text in zip(pairs, texts, strict=True)
    ]
    sources = [fields_of(text, config.copy) for text in texts]
    return pair_examples(sources, targets, lengths, name_of=lambda n: pairs[n].place)


def fields_of(text: Encoded, copy: bool) -> dict[str, np.ndarray]:
    """The fields of a text in a batch."""
    return {"source": text.ids, "symbols": text.symbols} if copy else {"source": text.ids}


def lead_size(pairs: Sequence[Pair]) -> int:
    """The median number of words of summaries."""
    sizes = [len(SummaryVocabulary.words_of(pair.target)) for pair in pairs]
    return max(1, round(float(np.median(sizes))))
