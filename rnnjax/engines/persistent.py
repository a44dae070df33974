"""The fused engines with kernels that keep small recurrent weights on the chip of a GPU.

Only the loops over time differ from those of the fused engines (see `persistent_kernels`). The
engine has not been measured on a GPU yet, so it runs only if it is named.
"""

from rnnjax.engines.fused_gru import FUSED_GRU
from rnnjax.engines.fused_lstm import FUSED_LSTM
from rnnjax.engines.fused_rnn import FUSED_RNN
from rnnjax.engines.persistent_kernels import refusal
from rnnjax.engines.problem import Engine, Problem
from rnnjax.engines.target import platform
from rnnjax.typing import Array, Carry


def _serves(problem: Problem) -> str | None:
    if _fused(problem) is None:
        return "it runs what a fused engine can run, and none can run this"
    w_hh = problem.params.w_hh
    hidden_size, columns = w_hh.shape
    dtype = problem.cell.spec.compute_dtype or w_hh.dtype
    return refusal(hidden_size, columns // hidden_size, dtype)


def _run(problem: Problem) -> tuple[Carry, Array]:
    engine = _fused(problem)
    assert engine is not None
    return engine.run(problem, persistent=True)


def _fused(problem: Problem) -> Engine | None:
    engines = (FUSED_LSTM, FUSED_GRU, FUSED_RNN)
    return next((engine for engine in engines if engine.serves(problem) is None), None)


def _pays(problem: Problem) -> str:
    del problem
    if platform() == "gpu":
        return "has not been measured on a GPU yet"
    return "runs in the interpreter of Pallas where there is no GPU, which is slow"


PERSISTENT = Engine(name="persistent", serves=_serves, run=_run, pays=_pays)
