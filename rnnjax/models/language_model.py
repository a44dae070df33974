"""A language model: embed each symbol, unroll a cell, score every next symbol."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax.cells.cell import Cell, check_sizes, split_key
from rnnjax.cells.pointwise import check_rate, drop
from rnnjax.errors import UserError
from rnnjax.losses import (
    activation_penalty,
    cross_entropy,
    slowness_penalty,
    target_log_probability,
)
from rnnjax.models.network import Network, Program, float32_linear
from rnnjax.models.recurrent import Recurrent, check_left_to_right
from rnnjax.ranges import check_ids
from rnnjax.typing import Array, Carry, DType, PRNGKey

MAX_ROWS, MAX_STEPS = 32, 256
"""Of a block of `score_texts`."""


class LanguageModel(Network):
    """p(token_t+1 | token_0 .. token_t) = softmax(head(y_t)), y = cell over embedded tokens.

    References:
        Mikolov et al. 2010, "Recurrent neural network based language model".
    """

    def __init__(
        self,
        vocab_size: int,
        cell: Cell,
        *,
        embed_size: int,
        tied: bool = False,
        embed_dropout: float = 0.0,
        output_dropout: float = 0.0,
        compute_dtype: DType | None = None,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            vocab_size: V.
            cell: any cell with a step; layers and dropout are the cell's own.
            embed_size: D, the width of a token's vector.
            tied: the head's matrix is that of the tokens' vectors (Press & Wolf 2017, "Using the
                output embedding to improve language models"); the cell's outputs have D numbers.
            embed_dropout: rate at which the vectors of whole symbols are zero, one draw a call for
                each symbol of the vocabulary (Gal & Ghahramani 2016; Merity et al. 2018, section
                4.3); with a key only.
            output_dropout: on the cell's outputs, one mask a sequence; with a key only.
            compute_dtype: dtype of the head's matmul operands; the logits are float32.

        Raises:
            UserError: the cell is bidirectional; with `tied`, its outputs have not D numbers; a
                size is no positive integer.
        """
        check_sizes(vocab_size=vocab_size, embed_size=embed_size)
        check_left_to_right(cell, "a language model")
        check_rate(embed_dropout)
        check_rate(output_dropout)
        self.embed_dropout, self.output_dropout = embed_dropout, output_dropout
        self.embed = nnx.Embed(vocab_size, embed_size, rngs=rngs)
        self.recurrent = Recurrent(cell, embed_size, rngs=rngs)
        size = self.recurrent.output_size
        if tied and size != embed_size:
            raise UserError(
                f"tied weights: {cell!r} has {size} outputs; embed_size is {embed_size}"
            )
        self.tied, self.compute_dtype = tied, compute_dtype
        if tied:
            self.bias = nnx.Param(jnp.zeros(vocab_size))
        else:
            self.head = float32_linear(size, vocab_size, compute_dtype, rngs=rngs)

    def __call__(
        self, tokens_TB: Array, carry: Carry, *, key: PRNGKey | None = None, **options: Any
    ) -> tuple[Array, Carry]:
        """Scores the next symbol after each symbol.

        Args:
            tokens_TB: int `[T, B]`.
            carry: from `initial_carry`, or from the call before.
            key: turns on the training noise.
            **options: `reset`, `mask` and `remat`, as for `rnnjax.unroll`.

        Returns:
            Logits `[T, B, V]` and the carry after the last step.
        """
        _, ys, carry = self.outputs(tokens_TB, carry, key=key, **options)
        return self.logits(ys), carry

    def outputs(
        self, tokens_TB: Array, carry: Carry, *, key: PRNGKey | None = None, **options: Any
    ) -> tuple[Array, Array, Carry]:
        """The outputs and the carry behind the scores of `__call__`; arguments as there.

        Returns:
            The cell's outputs `[T, B, H]`, the same after `output_dropout`, and the carry.
        """
        mask = options.get("mask")
        check_ids("tokens", tokens_TB, self.embed.num_embeddings, mask)
        if mask is not None:
            tokens_TB = jnp.where(mask, tokens_TB, 0)
        with jax.named_scope("embed"):
            if key is not None and self.embed_dropout:
                key, embed_key = jax.random.split(key)
                vectors = self.embed.embedding.get_value()
                dropped = drop(vectors, self.embed_dropout, embed_key, (len(vectors), 1))
                embedded = jnp.take(dropped, tokens_TB, axis=0)
            else:
                embedded = self.embed(tokens_TB)
        output_key = None
        if key is not None and self.output_dropout:
            key, output_key = jax.random.split(key)
        carry, ys = self.recurrent(embedded, carry, key=key, **options)
        return ys, drop(ys, self.output_dropout, output_key, ys.shape[1:]), carry

    def step(self, tokens_B: Array, carry: Carry) -> tuple[Array, Carry]:
        """One step, for decoding: tokens `[B]` to logits `[B, V]`."""
        check_ids("tokens", tokens_B, self.embed.num_embeddings)
        carry, y_t = self.recurrent.step(self.embed(tokens_B), carry)
        return self.logits(y_t), carry

    @jax.named_scope("head")
    def logits(self, ys: Array) -> Array:
        """The scores of the next symbol, `[..., V]`, by outputs `[..., H]`."""
        if not self.tied:
            return self.head(ys)
        vectors, dtype = self.embed.embedding.get_value(), self.compute_dtype
        if dtype is None:
            return ys @ vectors.T + self.bias.get_value()
        ys, vectors = ys.astype(dtype), vectors.astype(dtype)
        wide = jnp.matmul(ys, vectors.T, preferred_element_type=jnp.float32)
        return wide + self.bias.get_value()

    def initial_carry(self, batch_size: int) -> Carry:
        """The carry before the first symbol of `batch_size` texts."""
        return self.recurrent.initial_carry(batch_size)

    def programs(self) -> dict[str, Program]:
        """Scores of a whole text from its beginning, and of one more symbol."""
        carry, structure = jax.tree.flatten(jax.eval_shape(lambda: self.initial_carry(1)))
        shapes = [(str(c.dtype), ", ".join(map(str, ("B", *c.shape[1:])))) for c in carry]

        def sequence(model: LanguageModel, tokens: Array) -> tuple[Array, list[Array]]:
            logits, carry = model(tokens.T, model.initial_carry(tokens.shape[0]))
            return logits.swapaxes(0, 1), jax.tree.leaves(carry)

        def step(model: LanguageModel, tokens: Array, carry: list[Array]):
            logits, after = model.step(tokens, jax.tree.unflatten(structure, carry))
            return logits, jax.tree.leaves(after)

        return {
            "sequence": Program(
                "tokens [B, T] of texts from their beginning -> logits of the token after each "
                "[B, T, V], and the carry after the last",
                sequence,
                {"tokens": ("int32", "B, T")},
            ),
            "step": Program(
                "tokens [B] and the carry before them -> logits of the next token [B, V], and the "
                "carry after them",
                step,
                {"tokens": ("int32", "B"), "carry": shapes},
            ),
        }


def window_loss(
    model: LanguageModel,
    carry: Carry,
    batch: dict[str, Array],
    key: PRNGKey | None = None,
    *,
    window: int | None = None,
    remat: str = "none",
    ar: float = 0.0,
    tar: float = 0.0,
) -> tuple[Array, Array, Carry]:
    """Loss of one window of truncated BPTT(k1, k2), and the carry for the next window.

    The next window begins k1 steps after this one, so where k2 > k1 the carry to hand on is the
    one after k1 steps; the gradient reaches back over all k2.

    Args:
        carry: at the beginning of the window; nothing flows back through it.
        batch: `inputs`, `targets` int `[T, B]`; `reset`, `mask` bool `[T, B]`; T = k2. Where the
            mask is False, an input that is no symbol is read as symbol 0. `lengths`
            int `[B]` where windows are shorter than T: the carry to hand on is the one after them.
        key: for the training noise.
        window: k1; None: k2, windows without overlap.
        remat: as for `rnnjax.unroll`.
        ar: weight of `losses.activation_penalty`, with a key only.
        tar: weight of `losses.slowness_penalty`, with a key only.

    Returns:
        The sum of the loss in nats, the number of targets that count, the next carry.

    References:
        Williams & Peng 1990.
    """
    carry = jax.lax.stop_gradient(carry)
    inputs, reset = batch["inputs"].astype(jnp.int32), batch["reset"]  # uint8 does not hold V
    known = (inputs >= 0) & (inputs < model.embed.num_embeddings)
    inputs = jnp.where(known | batch["mask"], inputs, 0)
    window = len(inputs) if window is None else window
    keys = split_key(key, 2)
    within = None
    if "lengths" in batch:
        within = jnp.arange(len(inputs))[:, None] < batch["lengths"]

    def outputs(part: slice, carry: Carry, key: PRNGKey | None):
        mask = None if within is None else within[part]
        return model.outputs(
            inputs[part], carry, reset=reset[part], mask=mask, key=key, remat=remat
        )

    raw, dropped, next_carry = outputs(slice(window), carry, keys[0])
    logits = model.logits(dropped)
    if window < len(inputs):
        later = outputs(slice(window, None), next_carry, keys[1])
        logits = jnp.concatenate([logits, model.logits(later[1])])
        raw, dropped = jnp.concatenate([raw, later[0]]), jnp.concatenate([dropped, later[1]])
    total, count = cross_entropy(logits, batch["targets"], batch["mask"])
    if key is not None and ar:
        total = total + ar * activation_penalty(dropped, batch["mask"])
    if key is not None and tar:
        total = total + tar * slowness_penalty(raw, batch["mask"])
    return total, count, jax.lax.stop_gradient(next_carry)


def score_texts(
    model: LanguageModel, texts: Sequence[np.ndarray], prompt: np.ndarray
) -> list[np.ndarray]:
    """Scores texts, each by itself, side by side.

    They are sorted by length and read in blocks of one shape, so that little is read in vain and
    few programs are compiled, however long or many they are.

    Args:
        texts: int `[N]` each, N >= 1.
        prompt: int `[P]`, read before each text; if P = 0, the first symbol of a text has no score.

    Returns:
        In the order of the texts, the log-probability of each symbol after all before it, in nats
        `[N]`, nan where nothing was.
    """
    graph, params = nnx.split(model)
    sequences = [np.concatenate([prompt, text]).astype(np.int32) for text in texts]
    num_targets = [len(sequence) - 1 for sequence in sequences]
    num_steps = min(MAX_STEPS, 1 << (max(num_targets, default=1)).bit_length())
    num_rows = min(MAX_ROWS, 1 << (len(sequences) - 1).bit_length())
    found = {}
    by_length = sorted(range(len(sequences)), key=lambda n: num_targets[n])
    for first in range(0, len(by_length), num_rows):
        chosen = by_length[first : first + num_rows]
        num_blocks = max(1, -(-num_targets[chosen[-1]] // num_steps))
        padded = np.zeros((num_blocks * num_steps + 1, num_rows), np.int32)
        for row, n in enumerate(chosen):
            padded[: len(sequences[n]), row] = sequences[n]
        carry = model.initial_carry(num_rows)
        blocks = [np.full((1, num_rows), np.nan)]
        for start in range(0, num_blocks * num_steps, num_steps):
            inputs, targets = padded[start:][:num_steps], padded[start + 1 :][:num_steps]
            carry, scores = _read(graph, params, carry, inputs, targets)
            blocks.append(scores)
        log_probability = np.concatenate(jax.device_get(blocks))
        for row, n in enumerate(chosen):
            found[n] = log_probability[len(prompt) : len(sequences[n]), row]
    return [found[n] for n in range(len(texts))]


@functools.partial(jax.jit, static_argnums=0)
def _read(
    graph: nnx.GraphDef, params: Any, carry: Carry, inputs: Array, targets: Array
) -> tuple[Carry, Array]:
    logits, carry = nnx.merge(graph, params)(inputs, carry)
    return carry, target_log_probability(logits, targets)
