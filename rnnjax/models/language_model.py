"""A language model: embed each symbol, unroll a cell, score every next symbol."""

import jax
from flax import nnx

from rnnjax.cells.cell import Cell, split_key
from rnnjax.losses import cross_entropy
from rnnjax.models.network import Network
from rnnjax.models.recurrent import Recurrent, check_left_to_right
from rnnjax.ranges import check_ids
from rnnjax.typing import Array, Carry, DType, PRNGKey


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
        compute_dtype: DType | None = None,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            vocab_size: V.
            cell: any cell with a step; layers and dropout are the cell's own.
            embed_size: D, the width of a token's vector.
            compute_dtype: dtype of the head's matmul operands; the logits are float32.
            rngs: for the initial parameters.

        Raises:
            UserError: the cell is bidirectional.
        """
        check_left_to_right(cell, "a language model")
        self.embed = nnx.Embed(vocab_size, embed_size, rngs=rngs)
        self.recurrent = Recurrent(cell, embed_size, rngs=rngs)
        self.head = nnx.Linear(
            self.recurrent.output_size,
            vocab_size,
            dtype=compute_dtype,
            preferred_element_type=None if compute_dtype is None else jax.numpy.float32,
            rngs=rngs,
        )

    def __call__(
        self,
        tokens_TB: Array,
        carry: Carry,
        *,
        reset: Array | None = None,
        key: PRNGKey | None = None,
        remat: str = "none",
    ) -> tuple[Array, Carry]:
        """Scores the next symbol after each symbol.

        Args:
            tokens_TB: int `[T, B]`.
            carry: from `initial_carry`, or from the call before.
            reset: bool `[T, B]`, True where a new document starts.
            key: turns on the cell's training noise.
            remat: as for `rnnjax.unroll`.

        Returns:
            Logits `[T, B, V]` and the carry after the last step.
        """
        check_ids("tokens", tokens_TB, self.embed.num_embeddings)
        with jax.named_scope("embed"):
            embedded = self.embed(tokens_TB)
        carry, ys = self.recurrent(embedded, carry, reset=reset, key=key, remat=remat)
        with jax.named_scope("head"):
            return self.head(ys), carry

    def step(self, tokens_B: Array, carry: Carry) -> tuple[Array, Carry]:
        """One step, for decoding: tokens `[B]` to logits `[B, V]`."""
        check_ids("tokens", tokens_B, self.embed.num_embeddings)
        carry, y_t = self.recurrent.step(self.embed(tokens_B), carry)
        return self.head(y_t), carry

    def initial_carry(self, batch_size: int) -> Carry:
        """The carry before the first symbol of `batch_size` texts."""
        return self.recurrent.initial_carry(batch_size)


def window_loss(
    model: LanguageModel,
    carry: Carry,
    batch: dict[str, Array],
    key: PRNGKey | None = None,
    *,
    window: int | None = None,
    remat: str = "none",
) -> tuple[Array, Array, Carry]:
    """Loss of one window of truncated BPTT(k1, k2), and the carry for the next window.

    The next window begins k1 steps after this one, so where k2 > k1 the carry to hand on is the
    one after k1 steps; the gradient reaches back over all k2.

    Args:
        model: the language model.
        carry: at the beginning of the window; nothing flows back through it.
        batch: `inputs`, `targets` int `[T, B]`; `reset`, `mask` bool `[T, B]`; T = k2.
        key: for the training noise.
        window: k1; None: k2, windows without overlap.
        remat: as for `rnnjax.unroll`.

    Returns:
        The sum of the loss in nats, the number of targets that count, the next carry.

    References:
        Williams & Peng 1990.
    """
    carry = jax.lax.stop_gradient(carry)
    inputs, reset = batch["inputs"], batch["reset"]
    window = len(inputs) if window is None else window
    keys = split_key(key, 2)
    logits, next_carry = model(
        inputs[:window], carry, reset=reset[:window], key=keys[0], remat=remat
    )
    if window < len(inputs):
        rest, _ = model(inputs[window:], next_carry, reset=reset[window:], key=keys[1], remat=remat)
        logits = jax.numpy.concatenate([logits, rest])
    total, count = cross_entropy(logits, batch["targets"], batch["mask"])
    return total, count, jax.lax.stop_gradient(next_carry)
