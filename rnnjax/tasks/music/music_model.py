"""Generating music with a trained model, and saying how likely pieces are."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import training
from rnnjax.data.padded_batches import in_order
from rnnjax.errors import UserError, check_at_least
from rnnjax.heads import nade
from rnnjax.tasks.music.config import MusicConfig
from rnnjax.tasks.music.frame_model import FrameModel, make_model
from rnnjax.tasks.music.pieces import NUM_NOTES, Piece
from rnnjax.tasks.music.preparation import evaluation_batches
from rnnjax.typing import Array, PRNGKey


class MusicModel(NamedTuple):
    """A trained model of music."""

    model: FrameModel
    config: MusicConfig

    def generate(
        self,
        num_frames: int = 64,
        *,
        prefix: np.ndarray | None = None,
        melody: np.ndarray | None = None,
        num_samples: int = 1,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> np.ndarray:
        """Draws music frame by frame, bool `[num_samples, T, 88]`.

        Args:
            num_frames: T, unless there is a melody.
            prefix: the first frames, bool `[P, 88]`, P at most T; None: from nothing.
            melody: bool `[T, 88]`: the highest note of each frame is kept, and what lies under it
                is drawn; in a frame of silence everything is. The model does not see what the
                melody does later.
            temperature: divides the log-odds of each note; 0 takes the likelier of on and off.

        Raises:
            UserError: a number is out of range, or frames have another shape.
        """
        parts = {"prefix": prefix, "melody": melody}
        for name, frames in parts.items():
            if frames is not None and (np.ndim(frames) != 2 or np.shape(frames)[1] != NUM_NOTES):
                raise UserError(
                    f"the {name} has the shape {list(np.shape(frames))}: expected [T, {NUM_NOTES}]"
                )
        num_frames = num_frames if melody is None else len(melody)
        check_at_least(1, num_frames=num_frames, num_samples=num_samples)
        check_at_least(0, temperature=temperature)
        given = np.full((num_frames, NUM_NOTES), nade.FREE, np.int8)
        if melody is not None:
            for frame, notes in zip(given, np.asarray(melody, bool), strict=True):
                if notes.any():
                    top = np.flatnonzero(notes)[-1]
                    frame[top:] = notes[top:]
        if prefix is not None:
            if len(prefix) > num_frames:
                raise UserError(
                    f"the prefix has {len(prefix)} frames: expected at most {num_frames}, the "
                    "frames of the piece"
                )
            given[: len(prefix)] = prefix
        inputs = given, jax.random.key(seed), np.float32(temperature)
        return np.moveaxis(training.result_of(_generate, self.model, inputs, num_samples), 1, 0)

    def log_odds(self, pieces: Sequence[Piece]) -> list[np.ndarray]:
        """The log-odds of each note given all frames before it, float32 `[T, 88]` of each piece.

        With NADE, also given the notes above it in its own frame.
        """
        batches = evaluation_batches(pieces, self.config)
        return in_order(training.results_of(_log_odds, self.model, batches))

    def log_probabilities(self, pieces: Sequence[Piece]) -> list[np.ndarray]:
        """log p(frame | all frames before it) in nats, `[T]` of each piece."""
        return [
            np.asarray(nade.log_probability(jnp.asarray(odds), jnp.asarray(piece.frames)))
            for odds, piece in zip(self.log_odds(pieces), pieces, strict=True)
        ]


def load(workdir: str | Path, config: MusicConfig | None = None) -> MusicModel:
    """The trained model of a run, best checkpoint; see `training.read_run`."""
    settings, _ = training.read_run(workdir, MusicConfig, config)
    return MusicModel(training.restore_model(workdir, make_model, settings), settings)


def _log_odds(model: FrameModel, batch: dict[str, Array]) -> Array:
    return model(batch["before"], batch["frames"])


def _generate(model: FrameModel, rows: int, inputs: tuple[Array, PRNGKey, Array]) -> Array:
    given, key, temperature = inputs

    def step(carry, inputs):
        (hidden, before), (given_t, key_t) = carry, inputs
        given_t = jnp.broadcast_to(given_t, before.shape)
        hidden, frame = model.draw(before, hidden, given_t, key=key_t, temperature=temperature)
        return (hidden, frame), frame

    first = model.recurrent.initial_carry(rows), jnp.zeros((rows, NUM_NOTES), bool)
    keys = jax.random.split(key, len(given))
    return jax.lax.scan(step, first, (given, keys))[1]
