"""A sequence, or several, to another one: encoders write a memory, and a decoder reads it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import nnx

from rnnjax.cells.cell import Cell, split_key
from rnnjax.engines.problem import Remat
from rnnjax.errors import UserError
from rnnjax.losses import cross_entropy, target_log_probability
from rnnjax.models.decoder import Decoder, Reading, shift_right
from rnnjax.models.hard_attention import DEFAULT_HARD_TRAINING, HardTraining, reinforce_bonus
from rnnjax.models.memory import Memory
from rnnjax.models.sequence_encoder import SequenceEncoder
from rnnjax.typing import Array, PRNGKey


class Source(NamedTuple):
    """What an encoder reads: tokens int `[S, B]` or vectors `[S, B, D]`, and a mask `[S, B]`."""

    inputs: Array
    mask: Array | None = None


class Seq2Seq(Decoder):
    """A decoder whose memory holds the outputs of one encoder or more at each of their steps.

    The memory's summary is the last output of each direction of each encoder, side by side.

    The papers: see `Decoder`, and `heads.attention` for the scorers.
    """

    def __init__(
        self, encoders: Sequence[SequenceEncoder], vocab_size: int, cell: Cell, **options: Any
    ):
        """Draws the parameters.

        Args:
            encoders: one at least, of outputs of one width.
            vocab_size: V, of what is written.
            cell: of the decoder.
            **options: the others of `Decoder`, without `memory_size` and `summary_size`.

        Raises:
            UserError: the encoders do not fit together, or as for `Decoder`.
        """
        sizes = [encoder.output_size for encoder in encoders]
        if len(set(sizes)) != 1:
            raise UserError(
                f"encoders that write one memory have outputs of one width; got widths {sizes}"
            )
        self.encoders = nnx.List(encoders)
        super().__init__(vocab_size, cell, memory_size=sizes[0], summary_size=sum(sizes), **options)

    def memory(
        self, sources: Sequence[Source], key: PRNGKey | None = None, *, remat: Remat = "none"
    ) -> Memory:
        """Encodes the sources: their steps, one source after another, are the positions.

        Args:
            sources: one for each encoder.
            key: turns on the encoders' noise.
            remat: as for `rnnjax.unroll`.

        Raises:
            UserError: another number of sources, or a source does not fit its encoder.
        """
        if len(sources) != len(self.encoders):
            raise UserError(f"one source an encoder, {len(self.encoders)}; got {len(sources)}")
        features, masks, summaries = [], [], []
        keys = split_key(key, len(sources))
        for encoder, (inputs, mask), key_n in zip(self.encoders, sources, keys, strict=True):
            ys = encoder(inputs, mask, key_n, remat=remat)
            features.append(jnp.swapaxes(ys, 0, 1))
            masks.append(jnp.ones(ys.shape[1::-1], bool) if mask is None else mask.T)
            summaries.append(encoder.last(ys, mask))
        return self.make_memory(
            jnp.concatenate(features, axis=1),
            None if all(mask is None for _, mask in sources) else jnp.concatenate(masks, axis=1),
            jnp.concatenate(summaries, axis=-1),
        )

    def __call__(
        self,
        sources: Sequence[Source],
        before: Array,
        key: PRNGKey | None = None,
        hard: HardTraining = DEFAULT_HARD_TRAINING,
        *,
        remat: Remat = "none",
    ) -> Reading:
        """Scores each symbol of given sequences given the sources and the symbols before it.

        Args:
            sources: as for `memory`.
            before: int `[T, B]`, the previous symbol at each step; see `decoder.shift_right`.
            key: turns on the noise of training.
            hard: how hard attention is trained.
            remat: as for `Decoder.teacher_forced`.
        """
        key_encoders, *keys = split_key(key, 5)
        memory = self.memory(sources, key_encoders, remat=remat)
        return self.teacher_forced(memory, before, keys, hard, remat=remat)


def seq2seq_loss(
    model: Seq2Seq,
    sources: Sequence[Source],
    targets: Array,
    mask: Array | None = None,
    key: PRNGKey | None = None,
    *,
    start: int,
    hard: HardTraining = DEFAULT_HARD_TRAINING,
    baseline: Array | float = 0.0,
    remat: Remat = "none",
) -> tuple[Array, Array]:
    """Negative log-likelihood of the targets; in training with reinforce less its bonus.

    Args:
        model: the model.
        sources: as for `Seq2Seq.memory`.
        targets: int `[T, B]`, the stop symbol included.
        mask: bool `[T, B]`, True at targets that count; None: all count.
        key: turns on the noise of training.
        start: the symbol before every sequence.
        hard: how hard attention is trained.
        baseline: of `reinforce_bonus`.
        remat: as for `Decoder.teacher_forced`.

    Returns:
        The sum in nats and the number of targets that count.
    """
    before = shift_right(targets if mask is None else jnp.where(mask, targets, start), start)
    logits, glances, drawn, _ = model(sources, before, key, hard, remat=remat)
    total, count = cross_entropy(logits, targets, mask)
    if key is not None and model.context == "hard" and hard.gradient == "reinforce":
        mask = jnp.ones(targets.shape, bool) if mask is None else mask
        gains = jnp.where(mask, target_log_probability(logits, targets), 0.0)
        total = total - reinforce_bonus(gains, mask, glances, drawn, hard, baseline)
    return total, count
