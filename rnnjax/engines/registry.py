"""The engines, and the choice among them."""

import contextlib
import contextvars
import logging
from collections.abc import Iterator

from rnnjax.engines.associative import ASSOCIATIVE
from rnnjax.engines.chunkwise import CHUNKWISE
from rnnjax.engines.fused_gru import FUSED_GRU
from rnnjax.engines.fused_lstm import FUSED_LSTM
from rnnjax.engines.fused_rnn import FUSED_RNN
from rnnjax.engines.generic import GENERIC
from rnnjax.engines.persistent import PERSISTENT
from rnnjax.engines.problem import Engine, Problem
from rnnjax.engines.scan import SCAN
from rnnjax.engines.target import platform
from rnnjax.errors import UserError, did_you_mean

ENGINES: tuple[Engine, ...] = (
    FUSED_LSTM,
    FUSED_GRU,
    FUSED_RNN,
    ASSOCIATIVE,
    CHUNKWISE,
    GENERIC,
    PERSISTENT,
    SCAN,
)

_log = logging.getLogger("rnnjax")
_listener: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("l", default=None)


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """Collects the reasons of all choices inside of the context."""
    reasons: list[str] = []
    token = _listener.set(reasons)
    try:
        yield reasons
    finally:
        _listener.reset(token)


def choose(name: str, problem: Problem) -> Engine:
    """Chooses the engine for a problem; the reason goes to the log and to `listening`.

    The name "auto" takes the first of `ENGINES` that serves the problem and pays.

    Raises:
        UserError: there is no engine of that name, or it cannot run this problem.
    """
    engine, reason = _first_that_serves(problem) if name == "auto" else _by_name(name, problem)
    reason = f"{type(problem.params).__name__}: engine {engine.name} on {platform()}: {reason}"
    _log.debug(reason)
    listener = _listener.get()
    if listener is not None:
        listener.append(reason)
    return engine


def _first_that_serves(problem: Problem) -> tuple[Engine, str]:
    refusals: list[str] = []
    for engine in ENGINES:
        if refusal := engine.serves(problem):
            refusals.append(f"{engine.name} cannot: {refusal}")
        elif slower := engine.pays(problem):
            refusals.append(f"{engine.name} {slower}")
        else:
            return engine, "; ".join(refusals) or "the first choice"
    raise AssertionError("the scan engine serves every problem")


def _by_name(name: str, problem: Problem) -> tuple[Engine, str]:
    for engine in ENGINES:
        if engine.name == name:
            refusal = engine.serves(problem)
            if refusal is not None:
                raise UserError(f"engine {name!r} cannot run this: {refusal}")
            slower = engine.pays(problem)
            return engine, "asked for by name" + (f", though it {slower}" if slower else "")
    valid = ["auto", *(engine.name for engine in ENGINES)]
    raise UserError(f"unknown engine {name!r}; {did_you_mean(name, valid)}")
