"""The platform that programs are made for: this process's own, unless it is said otherwise."""

import contextlib
import contextvars
from collections.abc import Iterator

import jax

_target: contextvars.ContextVar[str | None] = contextvars.ContextVar("target", default=None)


def platform() -> str:
    """The platform that an engine would run on: 'cpu', 'gpu' or 'tpu'."""
    return _target.get() or jax.default_backend()


def scan_unroll() -> int:
    """Steps an iteration of a compiled loop that suit the platform."""
    return 4 if platform() == "gpu" else 1


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
