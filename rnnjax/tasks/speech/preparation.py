"""From recordings to the batches that a network trains on."""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from rnnjax import data
from rnnjax.data.named_splits import also_in_training
from rnnjax.data.padded_batches import EvaluationBatches, Examples, Ragged, TrainingBatches
from rnnjax.data.prepared import Prepared, Shapes
from rnnjax.data.vocabulary import SavedVocabulary
from rnnjax.errors import UserError
from rnnjax.tasks.speech.config import SpeechConfig
from rnnjax.tasks.speech.features import num_frames, sizes
from rnnjax.tasks.speech.recordings import Recording
from rnnjax.tasks.speech.sources import load_source

PADDED_TO = 0.5
"""Seconds: buckets are multiples of it, so that splits share compiled programs."""


@dataclasses.dataclass(frozen=True)
class SpeechVocabulary(SavedVocabulary):
    """The characters that a network writes, and the sample rate that it reads.

    Attributes:
        symbols: characters; the blank before them has number 0.
        rate: samples a second.
    """

    symbols: tuple[str, ...]
    rate: int

    def encode(self, text: str, place: str) -> np.ndarray:
        """The numbers of the characters of a text, int32, from 1; UserError for an unknown one."""
        if unknown := sorted(set(text) - self._numbers.keys()):
            raise UserError(
                f"{place}: the text has {unknown[0]!r}, which no training text has: {text[:60]!r}"
            )
        return np.array([self._numbers[one] for one in text], np.int32)

    def decode(self, numbers: Sequence[int]) -> str:
        """The text of numbers."""
        return "".join(self.symbols[n - 1] for n in numbers)

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        return {symbol: n for n, symbol in enumerate(self.symbols, 1)}


def import_jiwer() -> Any:
    """The package of error rates; UserError if it is not installed."""
    try:
        import jiwer
    except ImportError as error:
        raise UserError(
            f"error rates need a package ({error}): pip install 'rnnjax[speech]'"
        ) from error
    return jiwer


def prepare(config: SpeechConfig, vocabulary: SpeechVocabulary | None = None) -> Prepared:
    """Loads the recordings of a config and makes batches.

    A batch holds `samples` int16 `[N, B]`, `lengths` int32 `[B]`, 0 in a filler row, `symbols`
    int32 `[L, B]` from 1, and `num_symbols` int32 `[B]`.

    Args:
        vocabulary: one that a model was trained with.

    Raises:
        UserError: see `load_source`; a text has a character that no training text has; or jiwer,
            which training needs for its scores, is not installed.
    """
    import_jiwer()
    source = load_source(config)
    splits = source.splits
    texts = "".join(one.text for one in splits["train"])
    if not texts:
        raise UserError(f"{config.data}: the training texts are empty")
    vocabulary = vocabulary or SpeechVocabulary(tuple(sorted(set(texts))), config.rate)
    # Errors in the test split are found before the training and not after it.
    every = {
        split: recording_examples(
            its, config, vocabulary, source.draw if split == "train" else None
        )
        for split, its in splits.items()
    }
    batches = TrainingBatches(every["train"], batch_size=config.batch_size, seed=config.seed)
    validation = EvaluationBatches(every["validation"], batch_size=config.batch_size)
    digest = hashlib.sha256()
    for one in [*splits["train"], *splits["validation"]]:
        digest.update(np.ascontiguousarray(one.samples).tobytes() + one.text.encode() + b"\0")
    sizes_of = ", ".join(f"{split} {len(its):,}" for split, its in splits.items())
    seconds = np.mean([len(one.samples) for one in splits["train"]]) / config.rate
    padding = batches.padding_share("samples")
    lines = [
        f"{sizes_of} recordings; {seconds:.1f} s on average, {padding:.0%} padding; "
        f"{len(vocabulary.symbols)} symbols.",
        *source.notes,
        *also_in_training(splits, "recordings", lambda one: one.samples),
        *_unaligned(splits["train"], config),
    ]
    return Prepared(batches, validation, "\n".join(lines), splits, digest.hexdigest(), vocabulary)


def recording_examples(
    recordings: Sequence[Recording],
    config: SpeechConfig,
    vocabulary: SpeechVocabulary,
    draw: Any = None,
) -> Examples:
    """Recordings in numbers, see `prepare`.

    Args:
        recordings: N.
        draw: see `Source`.

    Raises:
        UserError: a recording is shorter than a window, or a character is unknown.
    """
    window, _ = sizes(config.rate)
    for one in recordings:
        if len(one.samples) < window:
            raise UserError(
                f"{one.place} has {len(one.samples)} samples: expected a window of {window} or more"
            )

    def example(one: Recording) -> dict[str, np.ndarray]:
        return {"samples": one.samples, "symbols": vocabulary.encode(one.text, one.place)}

    lengths = np.array([len(one.samples) for one in recordings])
    num_symbols = np.array([len(vocabulary.encode(one.text, one.place)) for one in recordings])
    unit = round(PADDED_TO * config.rate)
    rounded = -(-lengths // unit) * unit
    buckets = data.bucket_lengths(rounded, config.num_buckets, batch_size=config.batch_size)
    longest = (max(1, int(num_symbols.max())),)
    return Examples(
        get=lambda n: example(recordings[n]),
        size=len(recordings),
        ragged={
            "lengths": Ragged(["samples"], lengths, buckets),
            "num_symbols": Ragged(["symbols"], num_symbols, longest),
        },
        draw=None if draw is None else lambda n, rng: example(draw(n, rng)),
        noun="recording",
        name_of=lambda n: recordings[n].place,
    )


def shapes(config: SpeechConfig) -> Shapes:
    """The shapes of a batch of the embedded data, `max_seconds` long, for the dry run."""
    rows, count = config.batch_size, round(config.max_seconds * config.rate)
    longest = max(1, count // sizes(config.rate)[1] // 2 // math.prod(config.factors))

    def struct(*shape: int, dtype: Any = np.int32) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype)

    batch = {
        "samples": struct(count, rows, dtype=np.int16),
        "symbols": struct(longest, rows),
        **dict.fromkeys(("lengths", "num_symbols", "indices"), struct(rows)),
    }
    letters = tuple("abcdefghijklmnopqrstuvwxyz ")
    vocabulary = SpeechVocabulary(letters, config.rate)
    return Shapes(batch, longest * rows, ("samples", "symbols"), vocabulary)


def _unaligned(recordings: Sequence[Recording], config: SpeechConfig) -> list[str]:
    """A line if recordings have fewer steps than their text needs."""
    short = []
    for one in recordings if config.output == "ctc" else ():
        steps = int(num_frames(np.int64(len(one.samples)), config.rate))
        for factor in config.factors:
            steps = -(-steps // factor)
        repeats = sum(a == b for a, b in zip(one.text, one.text[1:], strict=False))
        if len(one.text) + repeats > steps:
            short.append(f"{one.place}, {steps} steps for {len(one.text)} symbols")
    if not short:
        return []
    return [
        f"{len(short):,} training recordings are too short for their text and do not count "
        f"(--config.subsampling={config.subsampling}): {short[0]}"
    ]
