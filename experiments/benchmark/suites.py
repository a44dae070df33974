"""Suites of measurements: speed of layers, time to compile, memory."""

import functools
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from experiments.benchmark import peers
from experiments.benchmark.report import Row
from rnnjax.errors import UserError

KINDS = ("lstm", "gru", "rnn")
SIZES = [
    (100, 64, 128, 128), (200, 16, 64, 256), (100, 64, 512, 512), (50, 32, 256, 1024),
    (20, 20, 200, 200), (35, 20, 650, 650), (35, 20, 1500, 1500),  # PTB: Zaremba et al. 2014
    (70, 80, 400, 1150), (70, 80, 1150, 400),  # AWD-LSTM: Merity et al. 2018
    (25, 10, 100, 100),  # named entities: Lample et al. 2016
    (784, 16, 1, 128), (784, 64, 1, 128), (28, 128, 28, 128),  # MNIST by pixels and by rows
    (300, 16, 512, 768), (400, 16, 80, 512),  # speech, as Deep Speech 2
    (23, 64, 256, 256), (256, 32, 128, 128), (64, 256, 32, 96),  # sentences, reviews, short series
    (1, 256, 512, 512), (1, 1, 256, 256), (50, 1, 256, 512), (256, 1, 128, 512),  # a step, a row
    (1000, 8, 64, 128), (1000, 1, 16, 16), (500, 4, 32, 64),  # long ones
]  # fmt: skip
"""`(T, B, D, H)` of the suite `layers`, chosen before any of them but the first four was timed."""
VARIANTS = ("lstm_peephole", "lstm_layer_norm", "gru_cho")
VARIANT_SIZES = [
    (100, 64, 128, 128), (200, 16, 64, 256), (35, 20, 650, 650), (64, 128, 32, 96),
    (784, 16, 1, 128), (50, 1, 256, 512),
]  # fmt: skip
NEWER = (
    "s5", "sru", "qrnn", "mgu", "slstm", "mlstm", "mamba2", "gated_deltanet", "fast_weights"
)  # fmt: skip
NEWER_SIZES = [(100, 64, 128, 128), (64, 128, 32, 96), (784, 16, 1, 128), (50, 1, 256, 512)]
COMPILED_SIZES = [(50, 32, 128, 128), (400, 32, 128, 128)]
PERSISTENT_SIZES = [
    (100, 64, 128, 128), (784, 64, 1, 128), (25, 10, 100, 128), (1000, 8, 64, 128),
    (200, 16, 64, 64), (400, 128, 80, 64),
]  # fmt: skip
LONG = peers.Case("lstm", 4000, 32, 256, 256)
LONGEST = peers.Case("lstm", 10_000, 8, 256, 256)


def layers(
    kinds: Sequence[str],
    sizes: Sequence[tuple[int, int, int, int]],
    layers: Mapping[str, Callable[[peers.Case], peers.Calls]],
    repeats: int,
) -> list[Row]:
    """Forward and training step of layers, as fast as how many of the first."""
    rows = []
    for kind, size in itertools.product(kinds, sizes):
        case = peers.Case(kind, *size)
        contenders = _present({n: functools.partial(make, case) for n, make in layers.items()})
        for what in ("train", "forward"):
            times = interleaved(
                {name: getattr(calls, what) for name, calls in contenders.items()}, repeats
            )
            rows.append({"what": f"{kind} {what}", "size": list(size)} | _ratios(times))
            print(f"{kind} {what} {size}: rnnjax {rows[-1]['rnnjax']:.2f}", flush=True)
    return rows


def persistent(repeats: int) -> list[Row]:
    """The kernels that keep weights on the chip of a GPU, beside the usual engines and cuDNN."""
    if jax.default_backend() != "gpu":
        raise UserError(
            f"--suite=persistent measures kernels for a GPU; JAX runs on {jax.default_backend()}"
        )
    return layers(KINDS, PERSISTENT_SIZES, peers.PERSISTENT, repeats)


def compile_times(repeats: int) -> list[Row]:
    """Trace and compile a training step: in how many times the time of flax.nnx.RNN.

    Once of a language model with one such layer, once of the layer alone.
    """
    rows = []
    for kind, size in itertools.product(KINDS, COMPILED_SIZES):
        case = peers.Case(kind, *size)
        layers = {peers.BASELINE: peers.nnx_layer(case), "rnnjax": peers.rnnjax_layer(case)}
        for what, compiled in {"model": _compile_model, "layer": _compile}.items():
            times = interleaved(
                {name: functools.partial(compiled, case, layer) for name, layer in layers.items()},
                repeats,
            )
            ratio = times["rnnjax"] / times[peers.BASELINE]
            rows.append({"what": f"{kind} {what}", "size": list(size), "rnnjax": ratio})
    return rows


def memory(repeats: int) -> list[Row]:
    """Temporary memory and time of a long training step against plain autodiff of the scan."""
    built = {
        "autodiff": peers.rnnjax_layer(LONG, engine="scan"),
        peers.BASELINE: peers.nnx_layer(LONG),
        **{
            f"remat={remat}": peers.rnnjax_layer(LONG, remat=remat)
            for remat in ("none", "gates", "sqrt")
        },
    }
    compiled = {name: _compile(LONG, layer) for name, layer in built.items()}
    mib = {
        name: program.memory_analysis().temp_size_in_bytes / 2**20
        for name, program in compiled.items()
    }
    times = interleaved(
        {
            name: functools.partial(compiled[name], layer.params, layer.xs)
            for name, layer in built.items()
        },
        repeats,
    )
    rows: list[Row] = [
        {
            "what": name,
            "size": list(LONG[1:]),
            "temporary MiB": mib[name],
            "less memory than autodiff": mib["autodiff"] / mib[name],
            "as fast as autodiff": times["autodiff"] / times[name],
        }
        for name in built
    ]
    # In a process of its own, where nothing else has been run.
    command = [sys.executable, "-m", "experiments.benchmark", "--suite=peak"]
    printed = subprocess.run(command, check=True, capture_output=True).stdout
    what, size = "process, remat=sqrt", list(LONGEST[1:])
    return [*rows, {"what": what, "size": size, "peak process MiB": float(printed.split()[-1])}]


def peak() -> float:
    """MiB that this process has needed at most, after one training step of the longest case.

    Linux says it as VmHWM; getrusage would count what the parent process needed before exec.
    """
    layer = peers.rnnjax_layer(LONGEST, remat="sqrt")
    jax.block_until_ready(peers.gradient(layer)(layer.params, layer.xs))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def interleaved(calls: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """The median seconds of each call; the calls take turns, so that all meet the same noise.

    In its turn a call is run twice, and the second run counts: as in training it meets the caches
    and threads that it leaves itself, and not those of the call before it.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            jax.block_until_ready(call())
            start = time.perf_counter()
            jax.block_until_ready(call())
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


class Contender(NamedTuple):
    """The calls to time: the first one, which compiles, and later ones; each runs to its end."""

    first: Callable[[], Any]
    later: Callable[[], Any]


def duel(
    contenders: Mapping[str, Callable[[], Contender]], repeats: int, **work: float
) -> dict[str, float]:
    """How many times as fast rnnjax is as each of the others.

    Args:
        contenders: by name, ready to be made; one whose library is missing is left out.
        repeats: of the later call; the median counts.
        work: what that call does, such as `updates=10`.

    Returns:
        A number for each of the others; "first call": its time, in that of the baseline, each with
        nothing compiled; on an accelerator also what rnnjax does in a second, such as "updates/s".
    """
    made, first = _present(contenders), {}
    for name, contender in 2 * [*made.items()]:  # at the second time all else is warm
        jax.clear_caches()
        start = time.perf_counter()
        contender.first()
        first[name] = time.perf_counter() - start
    times = interleaved({name: contender.later for name, contender in made.items()}, repeats)
    seconds = times.pop("rnnjax")
    row = {name: other / seconds for name, other in times.items()}
    row["first call"] = first["rnnjax"] / first[peers.BASELINE]
    if jax.default_backend() != "cpu":
        row |= {f"{unit}/s": amount / seconds for unit, amount in work.items()}
    return row


def _present(contenders: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """The contenders whose libraries are installed, made."""
    made = {}
    for name, make in contenders.items():
        try:
            made[name] = make()
        except ImportError as error:
            print(f"{name} is left out: {error}")
    return made


def _ratios(times: Mapping[str, float]) -> Row:
    """Times as fast as the first; on an accelerator the milliseconds too."""
    (_, baseline), *others = times.items()
    row: Row = {name: baseline / seconds for name, seconds in others}
    if jax.default_backend() != "cpu":
        row["milliseconds"] = {name: 1000 * seconds for name, seconds in times.items()}
    return row


def _compile(_: peers.Case, layer: peers.Layer):
    jax.clear_caches()
    return peers.gradient(layer).lower(layer.params, layer.xs).compile()


def _compile_model(case: peers.Case, layer: peers.Layer):
    jax.clear_caches()
    return peers.training_step(case, layer).compile()


# The title of each suite, and `(repeats) -> rows`.
SUITES: dict[str, tuple[str, Callable[[int], list[Row]]]] = {
    "layers": (
        "times as fast as flax.nnx.RNN (above 1: faster)",
        functools.partial(layers, KINDS, SIZES, peers.CONTENDERS),
    ),
    "persistent": ("GPU kernels, times as fast as flax.nnx.RNN (above 1: faster)", persistent),
    "compile": (
        "trace and compile time, in that of flax.nnx.RNN (below 1: quicker)",
        compile_times,
    ),
    "variants": (
        "cells without a fused form, times as fast as their plain scan",
        functools.partial(layers, VARIANTS, VARIANT_SIZES, peers.CELLS_ALONE),
    ),
    "cells": (
        "the newer cells, times as fast as their plain scan",
        functools.partial(layers, NEWER, NEWER_SIZES, peers.CELLS_ALONE),
    ),
    "memory": ("a training step on a long sequence", memory),
}
