"""A sequence, or several, to another one: encoders write a memory, and a decoder reads it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.cells.cell import Cell, split_key
from rnnjax.engines.problem import Remat
from rnnjax.errors import UserError
from rnnjax.heads import attention, copying
from rnnjax.losses import cross_entropy, target_log_probability
from rnnjax.models.decoder import Decoder, shift_right
from rnnjax.models.hard_attention import DEFAULT_HARD_TRAINING, HardTraining, reinforce_bonus
from rnnjax.models.memory import Memory, Reading
from rnnjax.models.sequence_encoder import SequenceEncoder
from rnnjax.ranges import mask_of_lengths
from rnnjax.typing import Array, PRNGKey


class Source(NamedTuple):
    """What an encoder reads: tokens int `[S, B]` or vectors `[S, B, D]`, and a mask `[S, B]`.

    For a decoder that copies also what is written where a step is copied, `symbols` int `[S, B]`.
    """

    inputs: Array
    mask: Array | None = None
    symbols: Array | None = None


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
        for encoder, (inputs, mask, _), key_n in zip(self.encoders, sources, keys, strict=True):
            ys = encoder(inputs, mask, key_n, remat=remat)
            features.append(jnp.swapaxes(ys, 0, 1))
            masks.append(jnp.ones(ys.shape[1::-1], bool) if mask is None else mask.T)
            summaries.append(encoder.last(ys, mask))
        memory = self.make_memory(
            jnp.concatenate(features, axis=1),
            None if all(one.mask is None for one in sources) else jnp.concatenate(masks, axis=1),
            jnp.concatenate(summaries, axis=-1),
        )
        symbols = [one.symbols.T for one in sources if one.symbols is not None]
        if not symbols:
            return memory
        return memory._replace(symbols=jnp.concatenate(symbols, axis=1))

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
            before: int `[T, B]`, the previous symbol at each step; see `decoder.shift_right`.
            key: turns on the noise of training.
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
    coverage: float = 0.0,
    label_smoothing: float = 0.0,
    own_symbols: Array | None = None,
    remat: Remat = "none",
) -> tuple[Array, Array]:
    """Negative log-likelihood of the targets; in training with reinforce less its bonus.

    In training also `coverage` times `attention.coverage_loss`, and with smoothed targets.

    Args:
        sources: as for `Seq2Seq.memory`.
        targets: int `[T, B]`, the stop symbol included; of a model that copies they may be symbols
            outside of the vocabulary.
        mask: bool `[T, B]`, True at targets that count; None: all count.
        key: turns on the noise of training.
        start: the symbol before every sequence.
        label_smoothing: as for `cross_entropy`; of a model that copies it must be 0.
        own_symbols: in training, the rate of `with_own_symbols`; None: 0.
        remat: as for `Decoder.teacher_forced`.

    Returns:
        The sum in nats and the number of targets that count.
    """
    before = shift_right(targets if mask is None else jnp.where(mask, targets, start), start)
    if key is not None and own_symbols is not None:
        key, key_own = jax.random.split(key)
        before = with_own_symbols(model, model.memory(sources), before, key_own, own_symbols)
    logits, glances, drawn, _, copied = model(sources, before, key, hard, remat=remat)
    counted = jnp.ones(targets.shape, bool) if mask is None else mask
    if copied is None:
        smoothing = 0.0 if key is None else label_smoothing
        total, count = cross_entropy(logits, targets, mask, label_smoothing=smoothing)
    else:
        assert not label_smoothing
        assert glances.scores is not None
        generate, symbols = copied
        gains = copying.copied_log_probability(logits, generate, glances.scores, symbols, targets)
        total, count = -jnp.where(counted, gains, 0).sum(), counted.sum(dtype=gains.dtype)
    if key is not None and coverage:
        assert glances.weights is not None
        total = total + coverage * attention.coverage_loss(glances.weights, counted).sum()
    if key is not None and model.context == "hard" and hard.gradient == "reinforce":
        gains = jnp.where(counted, target_log_probability(logits, targets), 0.0)
        total = total - reinforce_bonus(gains, counted, glances, drawn, hard, baseline)
    return total, count


def with_own_symbols(
    model: Decoder, memory: Memory, before: Array, key: PRNGKey, rate: Array | float
) -> Array:
    """The previous symbols of given sequences, some of them replaced by the decoder's own.

    From left to right, each symbol but the first is with probability `rate` not the given one but
    one that is drawn from what the decoder expects after the symbols that it has read. Draws are
    made without dropout, and no gradient flows through them.

    Args:
        before: int `[T, B]`; see `shift_right`.
        rate: 0 to 1: 1 - epsilon of the paper.

    Returns:
        int `[T, B]`.

    References:
        Bengio, Vinyals, Jaitly & Shazeer 2015, "Scheduled sampling for sequence prediction with
        recurrent neural networks", section 2.4.
    """

    def advance(state, step):
        carry, own = state
        given, is_own, key_t = step
        tokens = jnp.where(is_own, own, given)
        logits, _, carry = model.step(memory, carry, tokens)
        return (carry, jax.random.categorical(key_t, logits).astype(given.dtype)), tokens

    key_own, key_draws = jax.random.split(key)
    are_own = jax.random.bernoulli(key_own, rate, before.shape).at[0].set(False)
    steps = before, are_own, jax.random.split(key_draws, len(before))
    _, tokens = jax.lax.scan(advance, (model.initial_carry(memory), before[0]), steps)
    return tokens


def source_of(batch: Mapping[str, Array]) -> Source:
    """The source of a batch of `data.pair_batches`."""
    source, lengths = batch["source"], batch["source_lengths"]
    mask = mask_of_lengths(lengths, len(source), lengths.shape)
    return Source(source, mask, batch.get("symbols"))


def pair_loss(
    model: Seq2Seq, batch: Mapping[str, Array], key: PRNGKey | None = None, **options: Any
) -> tuple[Array, Array]:
    """`seq2seq_loss` of a batch of `data.pair_batches`; its options are `start` and others."""
    target, lengths = batch["target"], batch["lengths"]
    mask = mask_of_lengths(lengths, len(target), lengths.shape)
    return seq2seq_loss(model, [source_of(batch)], target, mask, key, **options)
