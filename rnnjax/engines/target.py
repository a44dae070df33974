"""The platform that programs are compiled for, and options that suit it."""

import contextlib
import contextvars
from collections.abc import Iterator

import jax

_MATRIX = 2**17
"""A CPU projects ahead if the matrix has at least this many numbers for each row of the batch."""

_target: contextvars.ContextVar[str | None] = contextvars.ContextVar("target", default=None)


def platform() -> str:
    """'cpu', 'gpu' or 'tpu': the default platform of this process, or that of `compiling_for`."""
    return _target.get() or jax.default_backend()


def scan_unroll() -> int:
    """The steps in an iteration of a compiled loop that suit the platform."""
    return 4 if platform() == "gpu" else 1


def projects_ahead(matrix_size: int, num_rows: int) -> bool:
    """Whether a forward pass projects the inputs of all steps before its loop.

    On a CPU, projecting an input in its step is faster than reading it from a large array, unless
    the matrix is large and multiplies few rows: reading it in each step then takes longer.
    """
    return platform() != "cpu" or matrix_size >= _MATRIX * num_rows


@contextlib.contextmanager
def compiling_for(name: str) -> Iterator[None]:
    """Inside of the context, programs are traced for 'cpu', 'gpu' or 'tpu', wherever they run."""
    token = _target.set(name)
    try:
        yield
    finally:
        _target.reset(token)
