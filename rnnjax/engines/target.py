"""The platform that programs are made for, and what suits it."""

import contextlib
import contextvars
from collections.abc import Iterator

import jax

_MATRIX = 2**17
"""Numbers in a projection's matrix, for each row of a batch, from which a CPU projects ahead."""

_target: contextvars.ContextVar[str | None] = contextvars.ContextVar("target", default=None)


def platform() -> str:
    """The platform that an engine would run on: 'cpu', 'gpu' or 'tpu'; this process's own, unless
    it is said otherwise.
    """
    return _target.get() or jax.default_backend()


def scan_unroll() -> int:
    """Steps an iteration of a compiled loop that suit the platform."""
    return 4 if platform() == "gpu" else 1


def projects_ahead(matrix_size: int, num_rows: int) -> bool:
    """Whether to project the inputs of all steps before the loop, in a forward pass.

    A CPU projects the inputs of one step faster than the loop reads them from a large array, unless
    the matrix is too large to be read anew in each step for the few rows that it multiplies.

    Args:
        matrix_size: numbers in the matrix.
        num_rows: B.
    """
    return platform() != "cpu" or matrix_size >= _MATRIX * num_rows


@contextlib.contextmanager
def compiling_for(name: str) -> Iterator[None]:
    """Inside, what is traced is meant for another platform than this process's own.

    Args:
        name: of the platform.
    """
    token = _target.set(name)
    try:
        yield
    finally:
        _target.reset(token)
