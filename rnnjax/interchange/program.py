"""Functions as programs that run where neither rnnjax nor flax is installed."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
from jax import export

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def export_program(
    function: Callable[..., Any], tensors: Mapping[str, Any], arguments: Mapping[str, Any]
) -> bytes:
    """A function in StableHLO, as `jax.export.deserialize` reads it.

    ::

        program = jax.export.deserialize(bytearray(Path("step.jax_export").read_bytes()))
        logits, carry = program.call(tensors, tokens=tokens, carry=carry)

    Args:
        function: `(tensors, **arguments) -> results`.
        tensors: arrays by name, of which the program has the shapes alone.
        arguments: dtype and shape of each by name, as in `rnnjax.models.network.Program`.
    """
    import flatbuffers  # noqa: F401  # jax.export writes with it, and does not require it.

    scope = export.SymbolicScope()

    def abstract(argument: Any) -> Any:
        if isinstance(argument, list):
            return [abstract(part) for part in argument]
        dtype, shape = argument
        return jax.ShapeDtypeStruct(export.symbolic_shape(shape, scope=scope), dtype)

    shapes = {name: jax.ShapeDtypeStruct(a.shape, a.dtype) for name, a in tensors.items()}
    given = {name: abstract(argument) for name, argument in arguments.items()}
    exported = export.export(jax.jit(function), platforms=PLATFORMS)(shapes, **given)
    return bytes(exported.serialize())
