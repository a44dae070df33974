"""A recurrent model of frames of notes, and its loss."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax import training
from rnnjax.cells.cell import Cell
from rnnjax.heads import nade
from rnnjax.models import Recurrent
from rnnjax.models.network import Network, float32_linear
from rnnjax.models.recurrent import check_left_to_right
from rnnjax.ranges import mask_of_lengths
from rnnjax.tasks.music.config import MusicConfig
from rnnjax.tasks.music.pieces import NUM_NOTES
from rnnjax.typing import Array, Batch, Carry, DType, PRNGKey


class FrameModel(Network):
    """p(frame_t | frames before it): which of the 88 notes sound.

    ::

        y = cell over frame_{t-1},   b_t = linear(y_t)
        p(note n of frame t) = sigmoid(b_t)_n                     independent notes
        p(frame_t) = NADE with the biases b_t and c_t = linear(y_t)     with `nade_size`

    The frame before the first is silence. NADE draws the notes from the highest to the lowest, so
    that what lies under a given melody has its exact distribution given that note.

    References:
        Boulanger-Lewandowski, Bengio & Vincent 2012, "Modeling temporal dependencies in
        high-dimensional sequences"; Bai, Kolter & Koltun 2018, "An empirical evaluation of generic
        convolutional and recurrent networks for sequence modeling" (independent notes).
    """

    def __init__(
        self, cell: Cell, *, nade_size: int = 0, compute_dtype: DType | None = None, rngs: nnx.Rngs
    ):
        """Draws the parameters.

        Args:
            cell: any cell with a step.
            nade_size: hidden units of NADE; 0: the notes of a frame are independent.
            compute_dtype: dtype of the head's matmul operands; log-odds are float32.

        Raises:
            UserError: the cell is bidirectional.
        """
        check_left_to_right(cell, "a model of music")
        self.recurrent = Recurrent(cell, NUM_NOTES, rngs=rngs)
        self.biases = float32_linear(
            self.recurrent.output_size, NUM_NOTES + nade_size, compute_dtype, rngs=rngs
        )
        self.nade = nnx.data(
            nnx.Param(nade.init(rngs.params(), NUM_NOTES, nade_size)) if nade_size else None
        )

    def __call__(self, before: Array, frames: Array, *, key: PRNGKey | None = None) -> Array:
        """The log-odds of each note given all frames before it, `[T, B, 88]`.

        With NADE, also given the notes above it in its own frame.

        Args:
            before: the frame before the first, bool `[B, 88]`.
            frames: bool `[T, B, 88]`.
            key: turns on the cell's training noise.
        """
        inputs = jnp.concatenate([before[None], frames[:-1]]).astype(jnp.float32)
        _, ys = self.recurrent(inputs, key=key)
        with jax.named_scope("head"):
            note_bias, hidden_bias = self._split(self.biases(ys))
            if self.nade is None:
                return note_bias
            descending = frames[..., ::-1]
            found = nade.logits(self.nade.get_value(), descending, hidden_bias, note_bias)
            return found[..., ::-1]

    def draw(
        self, before: Array, carry: Carry, given: Array, *, key: PRNGKey, temperature: Array
    ) -> tuple[Carry, Array]:
        """Draws the next frame, bool `[B, 88]`.

        Args:
            before: the frame before it, bool `[B, 88]`.
            given: int `[B, 88]`, see `rnnjax.heads.nade.sample`.
            temperature: divides the log-odds of each note.
        """
        carry, y_t = self.recurrent.step(before.astype(jnp.float32), carry)
        note_bias, hidden_bias = self._split(self.biases(y_t))
        options: dict[str, Any] = {"key": key, "temperature": temperature}
        if self.nade is None:
            return carry, nade.draw_bits(note_bias, given, **options)
        weights, descending = self.nade.get_value(), given[..., ::-1]
        return carry, nade.sample(weights, hidden_bias, note_bias, descending, **options)[..., ::-1]

    def _split(self, biases: Array) -> tuple[Array, Array]:
        return biases[..., :NUM_NOTES], biases[..., NUM_NOTES:]


def make_model(config: MusicConfig) -> FrameModel:
    """The model of a config, with fresh parameters."""
    return FrameModel(
        config.network(),
        nade_size=config.nade_size,
        compute_dtype=config.operand_dtype,
        rngs=nnx.Rngs(config.seed),
    )


def batch_loss(model: FrameModel, batch: Batch, key: Array | None) -> training.Loss:
    """The negative log-likelihood of frames, in nats a frame, summed over their notes."""
    frames = batch["frames"]
    logits = model(batch["before"], frames, key=key)
    mask = mask_of_lengths(batch["lengths"], len(frames), frames.shape[1:2])
    nats = jnp.where(mask, -nade.log_probability(logits, frames), 0)
    return training.Loss(nats.sum(), mask.sum())
