"""From the pairs of a config to what a translator trains on."""

from collections.abc import Sequence

import numpy as np

from rnnjax.data import pair_batches
from rnnjax.data.padded_batches import EvaluationBatches, Examples, TrainingBatches
from rnnjax.data.pair_batches import SOURCE_LENGTHS, Lengths
from rnnjax.data.prepared import Prepared
from rnnjax.data.text_pairs import Corpus, Pair, read_pairs
from rnnjax.data.vectors import Vectors, read_vectors
from rnnjax.errors import UserError
from rnnjax.tasks.translation.config import EMBEDDED, TranslationConfig
from rnnjax.tasks.translation.dates import date_pairs
from rnnjax.tasks.translation.numbers import number_pairs
from rnnjax.tasks.translation.vocabulary import TextVocabulary, VocabularyPair


def load_pairs(config: TranslationConfig) -> Corpus:
    """The pairs of a config, in splits: generated numbers or dates, or `read_pairs`.

    Raises:
        UserError: see `read_pairs`; or a package that generates data is missing.
    """
    if config.data not in EMBEDDED:
        return read_pairs(config.data, config.columns)
    generated = number_pairs() if config.data == "embedded" else date_pairs()
    return Corpus({
        split: [Pair(*texts, f"{split}:{n}") for n, texts in enumerate(pairs, 1)]
        for split, pairs in generated.items()
    })  # fmt: skip


def prepare(config: TranslationConfig, vocabulary: VocabularyPair | None = None) -> Prepared:
    """Loads pairs and makes vocabularies, buckets and training batches.

    Args:
        vocabulary: one that a model was trained with.

    Raises:
        UserError: the pairs or the vectors cannot be used, all are too long, or a number is out of
            range.
    """
    corpus = load_pairs(config)
    pairs = corpus.splits["train"]
    vocabulary = vocabulary or VocabularyPair.of(
        (pair.source for pair in pairs),
        (pair.target for pair in pairs),
        level=config.level,
        min_count=config.min_count,
        num_subwords=config.num_subwords,
    )
    examples = pair_examples(pairs, vocabulary, reverse=config.reverse_source)
    sizes = {name: part.lengths for name, part in examples.ragged.items()}
    longer = np.maximum(sizes[SOURCE_LENGTHS], sizes["lengths"])
    kept = np.flatnonzero(longer <= config.max_length)
    if not kept.size:
        raise UserError(
            f"every training pair has more than --config.max_length={config.max_length} symbols on "
            f"a side, the end included; the shortest has {longer.min()}"
        )
    lengths = Lengths.of(
        sizes[SOURCE_LENGTHS][kept].tolist(),
        sizes["lengths"][kept].tolist(),
        config.num_buckets,
        config.batch_size,
    )
    chosen = [pairs[n] for n in kept.tolist()]
    examples = pair_examples(chosen, vocabulary, lengths, reverse=config.reverse_source)
    batches = TrainingBatches(
        examples, batch_size=config.batch_size, seed=config.seed, pool=config.pool
    )
    held_out = pair_examples(
        corpus.splits["validation"], vocabulary, lengths, reverse=config.reverse_source
    )
    validation = EvaluationBatches(held_out, batch_size=config.batch_size)
    source, target = (f"{len(one):,}" for one in vocabulary)
    unknown = pair_batches.describe_unknown({"train": examples, "validation": held_out})
    too_long = len(pairs) - len(chosen)
    skipped = f"; {too_long:,} training pairs are too long and left out" if too_long else ""
    description = (
        f"{corpus.describe()}{skipped}.\n{source} and {target} symbols of source and target "
        f"({vocabulary.level}; {unknown}); padded to {lengths.describe()}."
    )
    vectors = read_word_vectors(config, vocabulary)
    for side, its, found in zip(("source", "target"), vocabulary, vectors, strict=True):
        if found is not None:
            description += f"\n{side}: {found.coverage(its.plain_words)}."
    read = corpus.splits, corpus.digest, vocabulary
    return Prepared(batches, validation, description, *read, vectors, lengths)


def read_word_vectors(
    config: TranslationConfig, vocabulary: VocabularyPair
) -> tuple[Vectors | None, ...]:
    """The vectors of the words of source and target, of the files that there are."""
    paths = (config.vectors or ",").split(",")
    return tuple(
        read_vectors(path, its.plain_words, encoding=config.encoding) if path else None
        for path, its in zip(paths, vocabulary, strict=True)
    )


def pair_examples(
    pairs: Sequence[Pair],
    vocabulary: VocabularyPair,
    lengths: Lengths | None = None,
    *,
    reverse: bool,
) -> Examples:
    """Pairs in numbers: `target` int `[T]` and `source` int `[S]`, ragged.

    Args:
        vocabulary: turns them into numbers.
        lengths: to pad to; None: the longest.
    """
    sources = encoded_sources([pair.source for pair in pairs], vocabulary.source, reverse)
    targets = [vocabulary.target.encode(pair.target) for pair in pairs]
    return pair_batches.pair_examples(sources, targets, lengths, name_of=lambda n: pairs[n].place)


def encoded_sources(
    texts: Sequence[str], vocabulary: TextVocabulary, reverse: bool
) -> list[dict[str, np.ndarray]]:
    """Texts to be translated in numbers, see `pair_batches`; with `reverse` they are backwards."""
    encoded = [vocabulary.encode(text) for text in texts]
    return [{"source": reversed_source(ids) if reverse else ids} for ids in encoded]


def reversed_source(values: np.ndarray) -> np.ndarray:
    """The symbols of a source, or what belongs to them `[S, ...]`, backwards but for the end."""
    return np.concatenate([values[-2::-1], values[-1:]])
