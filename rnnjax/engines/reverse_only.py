"""A clear error for forward-mode differentiation of an engine that has only a reverse mode.

JAX raises its own error about `jax.custom_vjp` when it compiles the program, outside of `unroll`,
and cannot name the engine that helps. Here the tangent of a marked array is an equation of its own.
Reverse mode transposes it away, and forward mode evaluates it, which raises the error.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from rnnjax.errors import UserError


def reverse_only(tree: Any) -> Any:
    """Marks arrays: `jax.jvp` and `jax.jacfwd` with respect to them raise UserError."""

    def marked(leaf: Any) -> Any:
        return _MARK.bind(leaf) if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf

    return jax.tree.map(marked, tree)


def _refused(*_: Any) -> Any:
    raise UserError(
        "only the scan is differentiated forward: for jax.jvp, jax.jacfwd and Hessians give "
        'unroll engine="scan"'
    )


_MARK = Primitive("reverse_only")
_TANGENT = Primitive("reverse_only_tangent")
_MARK.def_impl(lambda x: x)
_TANGENT.def_impl(_refused)
ad.defjvp(_MARK, lambda tangent, _: _TANGENT.bind(tangent))
ad.deflinear2(_TANGENT, lambda cotangent, _: [cotangent])
mlir.register_lowering(_MARK, lambda _, x: [x])
mlir.register_lowering(_TANGENT, _refused)
_MARK.def_abstract_eval(lambda x: x)
_TANGENT.def_abstract_eval(lambda x: x)
batching.defvectorized(_MARK)
batching.primitive_batchers[_TANGENT] = _refused
