"""From labelled texts to the batches that a classifier trains on."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from rnnjax import data
from rnnjax.data.labelled import check_labels, classes_of
from rnnjax.data.named_splits import also_in_training
from rnnjax.data.padded_batches import EvaluationBatches, Examples, Ragged, TrainingBatches
from rnnjax.data.prepared import Prepared, digest_of
from rnnjax.data.word_vocabulary import UNKNOWN_WORD
from rnnjax.tasks.sentiment.config import SentimentConfig
from rnnjax.tasks.sentiment.labelled_texts import Splits, besides_stars, load_texts


@dataclasses.dataclass(frozen=True)
class SentimentVocabulary(data.WordVocabulary):
    """Words in lower case, and classes.

    Attributes:
        labels: of the classes, in the order of their ids.
    """

    labels: tuple[str, ...] = ()

    @classmethod
    def words_of(cls, text: str) -> Sequence[str]:
        """The words and punctuation marks of a text."""
        return [token.text.lower() for token in data.tokenize(text)]

    def encode(self, text: str) -> np.ndarray:
        """The ids of a text's words, int32; `UNKNOWN_WORD` for those that are not known."""
        return super().encode(text)[:-1]


def prepare(config: SentimentConfig, vocabulary: SentimentVocabulary | None = None) -> Prepared:
    """Loads the texts of a config and makes vocabulary and batches.

    Args:
        config: of the run; words of all splits that its file of vectors has are known.
        vocabulary: one that a model was trained with.

    Raises:
        UserError: the texts or the vectors cannot be used, all texts are too long, or the
            vocabulary lacks a class.
    """
    splits = load_texts(config)
    vectors = None
    if config.vectors:
        texts = [one.fields["text"] for examples in splits.values() for one in examples]
        words = {word for text in texts for word in SentimentVocabulary.words_of(text)}
        vectors = data.read_vectors(config.vectors, words, encoding=config.encoding)
    vocabulary = vocabulary or _vocabulary(splits, config.min_count, vectors)
    check_labels(classes_of(splits["train"]), vocabulary.labels, config.data)
    lengths = {
        split: np.array([len(vocabulary.words_of(text)) for text in _columns(its)[0]])
        for split, its in splits.items()
    }
    kept = config.kept(lengths["train"], "words")
    sizes = config.cut(lengths["train"][kept])
    buckets = data.bucket_lengths(sizes, config.num_buckets, batch_size=config.batch_size)
    texts, labels = _columns([splits["train"][n] for n in kept])
    examples = text_examples(
        texts, vocabulary, buckets, labels, config.word_dropout, limit=config.limit
    )
    batches = TrainingBatches(examples, batch_size=config.batch_size, seed=config.seed)
    texts, labels = _columns(splits["validation"])
    held_out = text_examples(texts, vocabulary, buckets, labels, limit=config.limit)
    validation = EvaluationBatches(held_out, batch_size=config.batch_size)
    description = _describe(splits, vocabulary, vectors)
    description += "".join(f"\n{note}." for note in config.notes(lengths, "texts", "words"))
    content = [[one.fields for one in splits[split]] for split in ("train", "validation")]
    digest = digest_of(content)
    return Prepared(batches, validation, description, splits, digest, vocabulary, vectors)


def text_examples(
    texts: Sequence[str],
    vocabulary: SentimentVocabulary,
    buckets: Sequence[int],
    labels: Sequence[str] | None = None,
    word_dropout: float = 0.0,
    *,
    limit: int | None = None,
) -> Examples:
    """Texts in numbers: `words` int32 `[T]` (ragged), `label` int32 and `lengths`.

    Args:
        texts: each with a word or more.
        vocabulary: turns them into numbers.
        labels: one a text; None: they are not known, and all are 0.
        word_dropout: how often a word is replaced by the unknown one in training, drawn anew in
            every epoch.
        limit: words that a text is cut to; None: it stays whole.
    """
    words = [vocabulary.encode(text)[:limit] for text in texts]
    ids = {label: np.int32(n) for n, label in enumerate(vocabulary.labels)}
    classes = [ids[label] for label in labels] if labels else [np.int32(0)] * len(words)

    def draw(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        dropped = rng.random(len(words[n])) < word_dropout
        kept = np.where(dropped, np.int32(UNKNOWN_WORD), words[n])
        return {"words": kept, "label": np.asarray(classes[n])}

    return Examples(
        get=lambda n: {"words": words[n], "label": np.asarray(classes[n])},
        size=len(words),
        ragged={"lengths": Ragged(("words",), np.array([len(its) for its in words]), buckets)},
        draw=draw if word_dropout else None,
        noun="text",
    )


def _vocabulary(
    splits: Splits, min_count: int, vectors: data.Vectors | None
) -> SentimentVocabulary:
    made = SentimentVocabulary.of(_columns(splits["train"])[0], min_count=min_count)
    extra = sorted({word.lower() for word in vectors.words} - {*made.symbols}) if vectors else []
    return dataclasses.replace(
        made, symbols=(*made.symbols, *extra), labels=classes_of(splits["train"])
    )


def _columns(examples: Sequence[data.Example]) -> tuple[list[str], list[str]]:
    return [one.fields["text"] for one in examples], [one.fields["label"] for one in examples]


def _describe(splits: Splits, vocabulary: SentimentVocabulary, vectors: data.Vectors | None) -> str:
    words, labels = vocabulary.words, vocabulary.labels
    parts = [f"{split} {len(examples):,}" for split, examples in splits.items()]
    unknown = [
        f"{vocabulary.unknown_share(_columns(examples)[0]):.1%} of {split}"
        for split, examples in splits.items()
    ]
    lines = [
        f"texts of {len(labels)} classes ({', '.join(labels)[:60]}): {', '.join(parts)}.",
        f"{len(words):,} known words; unknown: {', '.join(unknown)}.",
    ]
    seen = also_in_training(splits, "texts", lambda one: one.fields["text"])
    lines += [f"{note}." for note in seen]
    if note := besides_stars(splits["train"]):
        lines.append(note)
    if vectors is not None:
        lines.append(f"{vectors.coverage(words)}.")
    return "\n".join(lines)
