"""From the pieces of a config to batches."""

import hashlib
from collections.abc import Sequence

import jax
import numpy as np

from rnnjax.data import bucket_lengths
from rnnjax.data.named_splits import also_in_training
from rnnjax.data.padded_batches import EvaluationBatches, Examples, Ragged, TrainingBatches
from rnnjax.data.prepared import Prepared, Shapes
from rnnjax.tasks.music.config import MusicSource
from rnnjax.tasks.music.pieces import NUM_NOTES, Piece
from rnnjax.tasks.music.sources import load_source


def prepare(config: MusicSource) -> Prepared:
    """Loads the pieces of a config and makes their batches.

    A batch holds `frames` bool `[T, B, 88]`, `before` bool `[B, 88]`, the frame before the first
    (silence at the beginning of a piece), and `lengths` int32 `[B]`.

    Raises:
        UserError: the source cannot be used.
    """
    splits, note = load_source(config)
    sizes = [
        f"{split} {len(its):,} pieces, {sum(len(piece.frames) for piece in its):,} frames"
        for split, its in splits.items()
    ]
    sizes += also_in_training(splits, "pieces", lambda piece: piece.frames)
    digest = hashlib.sha256()
    for piece in splits["train"] + splits["validation"]:
        digest.update(np.packbits(piece.frames).tobytes() + b"|")
    train = piece_examples(splits["train"], config, window=config.window)
    return Prepared(
        TrainingBatches(train, batch_size=config.batch_size, seed=config.seed),
        evaluation_batches(splits["validation"], config),
        f"{note}: {'; '.join(sizes)}",
        splits,
        digest.hexdigest(),
    )


def evaluation_batches(pieces: Sequence[Piece], config: MusicSource) -> EvaluationBatches:
    """Batches of whole pieces, see `prepare`."""
    return EvaluationBatches(piece_examples(pieces, config), batch_size=config.batch_size)


def piece_examples(
    pieces: Sequence[Piece], config: MusicSource, *, window: int | None = None
) -> Examples:
    """Pieces as examples: `frames` and `before`.

    Args:
        pieces: of any length.
        window: pieces are cut into parts of so many frames; None: they stay whole.
    """
    parts = [
        (piece, start)
        for piece in pieces
        for start in range(0, len(piece.frames), window or len(piece.frames))
    ]
    lengths = np.array([len(piece.frames[at:][:window]) for piece, at in parts])
    buckets = bucket_lengths(lengths, config.num_buckets, batch_size=config.batch_size)

    def get(index: int) -> dict[str, np.ndarray]:
        piece, at = parts[index]
        silence = np.zeros(NUM_NOTES, bool)
        before = piece.frames[at - 1] if at else silence
        return {"frames": piece.frames[at:][:window], "before": before}

    return Examples(
        get,
        len(parts),
        {"lengths": Ragged(("frames",), lengths, buckets)},
        noun="piece",
        name_of=lambda index: parts[index][0].name,
    )


def shapes(config: MusicSource) -> Shapes:
    """The shapes of a config's largest batch, for the dry run."""
    rows, window = config.batch_size, config.window
    batch = {
        "frames": jax.ShapeDtypeStruct((window, rows, NUM_NOTES), bool),
        "before": jax.ShapeDtypeStruct((rows, NUM_NOTES), bool),
        "lengths": jax.ShapeDtypeStruct((rows,), np.int32),
        "indices": jax.ShapeDtypeStruct((rows,), np.int32),
    }
    return Shapes(batch, window * rows, ("frames",))
