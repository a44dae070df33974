"""A classifier of sequences: many steps in, one label out."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Self, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax.cells.cell import Cell, check_sizes, split_key
from rnnjax.cells.pointwise import drop
from rnnjax.engines.problem import Remat
from rnnjax.errors import check_known
from rnnjax.heads.pooling import attention, init_attention, maximum, mean
from rnnjax.losses import cross_entropy
from rnnjax.models.network import Network, Program, float32_linear
from rnnjax.models.sequence_encoder import SequenceEncoder
from rnnjax.typing import Array, DType, PRNGKey

Pooling = Literal["last", "mean", "max", "attention"]


class Classified(NamedTuple):
    """The likeliest class of a sequence, and the probability of every class by label."""

    label: str
    probabilities: dict[str, float]

    @classmethod
    def of(cls, labels: Sequence[str], row: np.ndarray) -> Self:
        """From the probabilities `[K]` of the classes."""
        return cls(labels[int(row.argmax())], dict(zip(labels, row.tolist(), strict=True)))


class SequenceClassifier(Network):
    """``logits = head(dropout(pool(cell over the steps)))``.

    Pooling is `last`, the last real output of each direction; `mean` or `max` over all real steps;
    or `attention`, a sum weighted by a learned score. See `rnnjax.heads.pooling`.
    """

    def __init__(
        self,
        num_classes: int,
        cell: Cell,
        *,
        input_size: int,
        vocab_size: int | None = None,
        pooling: Pooling = "last",
        attention_size: int = 64,
        dropout: float = 0.0,
        compute_dtype: DType | None = None,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            num_classes: K.
            cell: any; directions, layers and dropout between them are the cell's own.
            input_size: D, the width of a step's vector.
            vocab_size: V, where inputs are tokens; None: they are vectors.
            attention_size: A, the hidden layer of pooling attention.
            dropout: on tokens' vectors, one mask a sequence, and before the head.
            compute_dtype: of the matmul operands of the head; the logits are float32.

        Raises:
            UserError: an unknown pooling, or a size that is no positive integer.
        """
        check_sizes(num_classes=num_classes, attention_size=attention_size)
        check_known("pooling", pooling, get_args(Pooling))
        self.pooling, self.dropout = pooling, dropout
        self.encoder = SequenceEncoder(
            cell,
            input_size=input_size,
            vocab_size=vocab_size,
            dropout=0.0 if vocab_size is None else dropout,
            rngs=rngs,
        )
        size = self.encoder.output_size
        if pooling == "attention":
            self.attention = nnx.Param(init_attention(rngs.params(), size, attention_size))
        self.head = float32_linear(size, num_classes, compute_dtype, rngs=rngs)

    def __call__(
        self,
        inputs: Array,
        mask: Array | None = None,
        key: PRNGKey | None = None,
        *,
        remat: Remat = "none",
    ) -> Array:
        """Scores every class, `[B, K]`; the arguments are those of `SequenceEncoder`."""
        key_encoder, key_output = split_key(key, 2)
        ys = self.encoder(inputs, mask, key_encoder, remat=remat)
        with jax.named_scope("head"):
            if self.pooling == "last":
                pooled = self.encoder.last(ys, mask)
            elif self.pooling == "mean":
                pooled = mean(ys, mask)
            elif self.pooling == "max":
                pooled = maximum(ys, mask)
            else:
                pooled, _ = attention(self.attention.get_value(), ys, mask)
            return self.head(drop(pooled, self.dropout, key_output, pooled.shape))

    def programs(self) -> dict[str, Program]:
        """The scores of the classes."""
        vectors = self.encoder.embed is None
        shape = f"B, T, {self.encoder.input_size}" if vectors else "B, T"

        def classify(model: SequenceClassifier, inputs: Array, lengths: Array) -> Array:
            inputs = inputs.swapaxes(0, 1)
            return model(inputs, jnp.arange(inputs.shape[0])[:, None] < lengths)

        return {
            "classify": Program(
                f"{'vectors' if vectors else 'tokens'} [{shape}] of sequences with their lengths "
                "[B] -> outputs of the head [B, K], where classes are told the logits",
                classify,
                {"inputs": ("float32" if vectors else "int32", shape), "lengths": ("int32", "B")},
            )
        }


def classification_loss(
    logits: Array, labels: Array, real: Array | None = None
) -> tuple[Array, Array, Array]:
    """Negative log-likelihood of the labels, and how many are predicted.

    Args:
        logits: `[B, K]`, from `SequenceClassifier`.
        labels: int `[B]`, in 0 .. K-1.
        real: bool `[B]`, False at rows that do not count; None counts all.

    Returns:
        The sum in nats, the number of sequences that count, and that of those whose label has the
        highest score.
    """
    right = logits.argmax(axis=-1) == labels
    return *cross_entropy(logits, labels, real), right.sum(where=real)
