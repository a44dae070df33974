"""The base class of the networks."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax.errors import UserError
from rnnjax.typing import DType


class Program(NamedTuple):
    """A function of a network that can be exported, to run without rnnjax.

    Attributes:
        about: arguments and results, in a line.
        function: `(model, **arguments) -> results`, arrays or lists of arrays.
        arguments: the dtype and the shape of each by name, such as `("int32", "B, T")`; a list of
            them is a list of arrays. Sizes are numbers, or letters where any size will do.
    """

    about: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any]


class Network(nnx.Module):
    """A flax.nnx module that can say what it is made of."""

    def programs(self) -> dict[str, Program]:
        """The functions that can be exported, by name; batch-major, B rows of T steps."""
        return {}

    def summary(self) -> str:
        """Its cells and its parameters: path, shape, dtype and how many numbers."""
        cells = {
            ".".join(map(str, path)): repr(node.cell)
            for path, node in nnx.iter_graph(self)
            if hasattr(node, "cell")
        }
        leaves = jax.tree.leaves_with_path(nnx.to_pure_dict(nnx.state(self, nnx.Param)))
        rows = [
            (
                jax.tree_util.keystr(path, simple=True, separator="."),
                " x ".join(map(str, leaf.shape)) or "1",
                str(leaf.dtype),
                f"{math.prod(leaf.shape):,}",
            )
            for path, leaf in leaves
        ]
        total = sum(math.prod(leaf.shape) for _, leaf in leaves)
        rows = [("parameter", "shape", "dtype", "numbers"), *rows, ("all", "", "", f"{total:,}")]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            f"{name:{widths[0]}}  {shape:{widths[1]}}  {dtype:{widths[2]}}  {size:>{widths[3]}}"
            for name, shape, dtype, size in rows
        ]
        return "\n".join([type(self).__name__, *(f"{k}: {v}" for k, v in cells.items()), *lines])


def set_vectors(embed: nnx.Embed | None, vectors: Any, words: Sequence[str], first_id: int) -> None:
    """Replaces embeddings of words by vectors that were made elsewhere.

    Args:
        embed: the embeddings; None, where there are none, goes with no vectors.
        vectors: a `rnnjax.data.Vectors`; None: the embeddings stay as they are.
        first_id: the row of the first of them; the others follow.

    Raises:
        UserError: the vectors have another width than the embeddings.
    """
    if vectors is None:
        return
    assert embed is not None
    width = vectors.matrix.shape[1]
    if width != embed.features:
        raise UserError(
            f"the word vectors have {width} numbers each: expected "
            f"--config.embed_size={width}, got {embed.features}"
        )
    if found := vectors.by_id(words, first_id):
        table = embed.embedding
        table[...] = table[...].at[jnp.array([*found])].set(np.stack([*found.values()]))


def float32_linear(
    input_size: int, output_size: int, compute_dtype: DType | None, *, rngs: nnx.Rngs
) -> nnx.Linear:
    """`y = x W + b` with operands of `compute_dtype`, summed in float32: a layer of logits."""
    return nnx.Linear(
        input_size,
        output_size,
        dtype=compute_dtype,
        preferred_element_type=None if compute_dtype is None else jnp.float32,
        rngs=rngs,
    )
