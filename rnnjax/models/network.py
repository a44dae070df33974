"""The base class of the networks."""

import math

import jax
from flax import nnx


class Network(nnx.Module):
    """A flax.nnx module that can say what it is made of."""

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
