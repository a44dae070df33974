"""A language model of names that is told their class at every step, and its loss."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax import training
from rnnjax.cells.cell import Cell
from rnnjax.losses import cross_entropy
from rnnjax.models import Recurrent
from rnnjax.models.network import Network, float32_linear
from rnnjax.models.recurrent import check_left_to_right
from rnnjax.ranges import check_ids, mask_of_lengths
from rnnjax.tasks.naming.config import NamingConfig
from rnnjax.typing import Array, Batch, Carry, DType, PRNGKey


class NameGenerator(Network):
    """p(symbol_t | symbols before it, class c) = softmax(head(y_t)).

    ::

        y = cell over [embed(symbol_t-1); one_hot(c)]

    The vector of the symbol before the first is zero, and so is the one-hot vector where there are
    no classes. The class is an input of every step.

    References:
        Graves 2013, "Generating sequences with recurrent neural networks", section 2 (the first
        input is zero); Robertson, "NLP from scratch: generating names with a character-level RNN",
        a tutorial of PyTorch (the class, one-hot, beside every character); Lipton, Vikram & McAuley
        2015, "Generative concatenative nets jointly learn to write and classify reviews" (the same,
        and classes by Bayes' rule).
    """

    def __init__(
        self,
        vocab_size: int,
        num_classes: int,
        cell: Cell,
        *,
        embed_size: int,
        compute_dtype: DType | None = None,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            vocab_size: V; the token V, `start`, is the absence of a symbol.
            num_classes: K; 0: there are none.
            cell: any cell with a step.
            embed_size: D, the width of a symbol's vector.
            compute_dtype: dtype of the head's matmul operands; the logits are float32.

        Raises:
            UserError: the cell is bidirectional.
        """
        check_left_to_right(cell, "a model of names")
        self.num_classes = num_classes
        self.embed = nnx.Embed(vocab_size, embed_size, rngs=rngs)
        self.recurrent = Recurrent(cell, embed_size + num_classes, rngs=rngs)
        self.head = float32_linear(self.recurrent.output_size, vocab_size, compute_dtype, rngs=rngs)

    @property
    def start(self) -> int:
        """The token before the first symbol of a name."""
        return self.embed.num_embeddings

    def __call__(self, tokens_TB: Array, classes_B: Array, *, key: PRNGKey | None = None) -> Array:
        """Scores the next symbol after each one, `[T, B, V]`.

        Args:
            tokens_TB: int `[T, B]`, the first of them `start`.
            classes_B: int `[B]`, 0 .. K - 1; not read where there are no classes.
            key: turns on the cell's training noise.
        """
        _, ys = self.recurrent(self._inputs(tokens_TB, classes_B), key=key)
        with jax.named_scope("head"):
            return self.head(ys)

    def step(self, tokens_B: Array, carry: Any) -> tuple[Array, Any]:
        """One step, for decoding: tokens `[B]` to logits `[B, V]`; the carry has the classes."""
        classes_B, hidden = carry
        hidden, y_t = self.recurrent.step(self._inputs(tokens_B, classes_B), hidden)
        return self.head(y_t), (classes_B, hidden)

    def initial_carry(self, classes_B: Array) -> tuple[Array, Carry]:
        """The carry of `step` before the first symbol of names of these classes, int `[B]`."""
        return classes_B, self.recurrent.initial_carry(len(classes_B))

    def _inputs(self, tokens: Array, classes_B: Array) -> Array:
        """`[..., B, D + K]` for tokens `[..., B]`."""
        check_ids("tokens", tokens, self.start + 1)
        there = (tokens < self.start)[..., None]
        embedded = jnp.where(there, self.embed(jnp.minimum(tokens, self.start - 1)), 0)
        if not self.num_classes:
            return embedded
        check_ids("classes", classes_B, self.num_classes)
        told = jax.nn.one_hot(classes_B, self.num_classes, dtype=embedded.dtype)
        told = jnp.broadcast_to(told, (*embedded.shape[:-1], self.num_classes))
        return jnp.concatenate([embedded, told], axis=-1)


def make_model(config: NamingConfig, vocab_size: int, num_classes: int) -> NameGenerator:
    """The model of a config, with fresh parameters."""
    return NameGenerator(
        vocab_size,
        num_classes,
        config.network(),
        embed_size=config.embed_size,
        compute_dtype=config.operand_dtype,
        rngs=nnx.Rngs(config.seed),
    )


def batch_loss(model: NameGenerator, batch: Batch, key: Array | None) -> training.Loss:
    """The cross entropy of the symbols of names, the end symbol included, in nats a symbol."""
    mask = mask_of_lengths(batch["lengths"], len(batch["targets"]), batch["class"].shape)
    inputs = jnp.where(mask, batch["inputs"], 0)
    logits = model(inputs, batch["class"], key=key)
    return training.Loss(*cross_entropy(logits, batch["targets"], mask))
