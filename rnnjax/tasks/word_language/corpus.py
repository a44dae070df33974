"""Text as a stream of words, a line end as the end of a sentence."""

import hashlib
from collections import Counter

import jax
import numpy as np

from rnnjax import data
from rnnjax.data.corpus import split
from rnnjax.data.documents import texts
from rnnjax.data.prepared import Prepared, Shapes
from rnnjax.data.text import find_documents
from rnnjax.data.word_vocabulary import END, RESERVED, UNKNOWN_WORD, WordVocabulary
from rnnjax.errors import UserError
from rnnjax.tasks.word_language.config import WordConfig


def read_splits(
    config: WordConfig, vocabulary: WordVocabulary | None = None
) -> tuple[WordVocabulary, dict[str, data.Stream]]:
    """The words of the text of a config, each line a sentence between END and END.

    Args:
        vocabulary: one that a model was trained with; None: that of the training split.

    Raises:
        UserError: the text cannot be read, or a split has no word.
    """
    documents, _ = find_documents(config.data, encoding=config.encoding)
    words: dict[str, list[str]] = {}
    segments: dict[str, list[tuple[int, int]]] = {}
    for name, of_split in documents.items():
        found, ends = [], []
        for document in of_split:
            found += _words("".join(texts(document)))
            ends.append(len(found))
        cut = name == "train" and config.valid_fraction > 0 and "validation" not in documents
        kept, held_out = split(np.unique(ends), config.valid_fraction if cut else 0)
        for part, pieces in ((name, kept), ("validation", held_out)) if cut else ((name, kept),):
            words[part], segments[part] = found, pieces
    for part, pieces in segments.items():
        if not pieces:
            raise UserError(f"{config.data} has too few words for its {part} split")
    if vocabulary is None:
        counts = Counter(w for start, end in segments["train"] for w in words["train"][start:end])
        del counts[RESERVED[END]]
        vocabulary = WordVocabulary.of_counts(counts, min_count=config.min_count)
    splits = {}
    for part, pieces in segments.items():
        ids = [n for start, end in pieces for n in vocabulary.ids_of(words[part][start:end])]
        lengths = [end - start for start, end in pieces]
        starts = np.cumsum([0, *lengths[:-1]])
        splits[part] = data.Stream(np.array(ids, np.int32), starts)
    return vocabulary, splits


def share_unknown(stream: data.Stream) -> float:
    """The share of the words of a split, ends of sentences among them, that are unknown."""
    return float(np.mean(stream.ids == UNKNOWN_WORD))


def first_sentences(stream: data.Stream, count: int) -> list[np.ndarray]:
    """The ids of the first sentences of a split, END the last of each."""
    ends = np.flatnonzero(stream.ids == END)
    return [ids for ids in np.split(stream.ids, ends + 1) if len(ids) > 1][:count]


def prepare(config: WordConfig, vocabulary: WordVocabulary | None = None) -> Prepared:
    """Makes vocabulary and windows; see `read_splits` and, of the errors, `data.read_vectors`."""
    vocabulary, splits = read_splits(config, vocabulary)
    if "validation" not in splits:
        raise UserError(
            f"{config.data} has no validation split: --config.valid_fraction above 0 takes one of "
            f"the text; got {config.valid_fraction}"
        )
    described = ", ".join(
        f"{name} {len(stream.ids):,} words ({share_unknown(stream):.1%} unknown)"
        for name, stream in splits.items()
    )
    note = ""
    if config.weight_drop and not config.drops_weights:
        note = f".\nWeight drop does not apply: cell {config.cell} has no recurrent matrix w_hh"
    vectors = None
    if config.vectors:
        vectors = data.read_vectors(config.vectors, vocabulary.words, encoding=config.encoding)
        note += f".\n{vectors.coverage(vocabulary.words)}"
    digest = hashlib.sha256(vocabulary.to_json().encode())
    for stream in splits.values():
        digest.update(np.ascontiguousarray(stream.ids).data)
        digest.update(stream.document_starts.data)
    windows = data.VaryingWindows if config.vary_window else data.TrainingWindows
    return Prepared(
        windows(
            splits["train"], batch_size=config.batch_size, window=config.window, seed=config.seed
        ),
        data.EvaluationWindows(
            splits["validation"], batch_size=config.batch_size, window=config.window
        ),
        f"vocabulary of {len(vocabulary):,} words; {described}; line ends count as words{note}",
        splits,
        digest.hexdigest(),
        vocabulary,
        vectors,
    )


def shapes(config: WordConfig) -> Shapes:
    """The shapes of a config's data, for the dry run."""
    prepared = prepare(config)
    batch = jax.eval_shape(lambda: prepared.batches[0])
    if isinstance(prepared.batches, data.VaryingWindows):
        steps = prepared.batches.buckets[-1]
        batch = {
            name: jax.ShapeDtypeStruct((steps, *x.shape[1:]) if x.ndim == 2 else x.shape, x.dtype)
            for name, x in batch.items()
        }
    units, time_major = config.window * config.batch_size, prepared.batches.time_major
    return Shapes(batch, units, time_major, prepared.vocabulary)


def _words(text: str) -> list[str]:
    """The words of a text, its lines between END and END; none of a text without words."""
    lines = [WordVocabulary.words_of(line) for line in text.split("\n") if line.strip()]
    end = RESERVED[END]
    return [end, *(word for line in lines for word in (*line, end))] if lines else []
