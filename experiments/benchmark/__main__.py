"""Measures rnnjax beside other libraries, on this machine.

    python -m experiments.benchmark --suite=layers     # speed of LSTM and GRU layers
    python -m experiments.benchmark --suite=compile    # time to trace and compile a training step
    python -m experiments.benchmark --suite=memory     # memory of long sequences
    python -m experiments.benchmark --suite=tagging    # taggers: throughput, and the CRF's share

Everything takes turns and is reported as a ratio of medians, because absolute times on a shared
CPU mean little; on an accelerator the JSON holds the milliseconds too. A training step is the
gradient of sum(y^2) with respect to parameters and inputs; that of a tagger is a whole one, on the
sentences of --data. The other libraries come with
`pip install rnnjax[bench]`; whichever is missing is named and left out.
"""

import functools
from pathlib import Path

import jax
from absl import app, flags, logging

from experiments import cli
from experiments.benchmark import report, suites, tagging

SUITE = flags.DEFINE_enum(
    "suite", "layers", ["layers", "compile", "memory", "tagging", "peak"], "What to measure."
)
DATA = flags.DEFINE_string(
    "data", "embedded", "Suite tagging: embedded, a folder of column files, or tfds:NAME."
)
WORKDIR = flags.DEFINE_string("workdir", "runs/benchmark", "Where the JSON and the plot go.")
REPEATS = flags.DEFINE_integer("repeats", 11, "Runs of which the median counts.", lower_bound=1)

TITLES = {
    "layers": "times as fast as flax.nnx.RNN (above 1: faster)",
    "compile": "trace and compile time, in that of flax.nnx.RNN (below 1: quicker)",
    "memory": "a training step on a long sequence",
    "tagging": "a BiLSTM-CRF with a CNN over characters; shares of the time, and of positions",
}
SIZES = {"tagging": "T,B,K"}


def main(_: None) -> None:
    """Runs the chosen suite, prints the table and saves JSON and plot."""
    logging.set_verbosity(logging.WARNING)
    suite = SUITE.value
    if suite == "peak":
        print(suites.peak())
        return
    if suite == "layers":
        rows = report.with_means(suites.layers(REPEATS.value))
    elif suite == "compile":
        rows = suites.compile_times(REPEATS.value)
    elif suite == "memory":
        rows = suites.memory(REPEATS.value)
    else:
        rows = tagging.suite(REPEATS.value, DATA.value)
    workdir = Path(WORKDIR.value)
    title = f"{jax.devices()[0].device_kind}, jax {jax.__version__}: {TITLES[suite]}"
    report.save(rows, suite, title, workdir, contest=suite == "layers")
    print(title)
    print(report.table(rows, SIZES.get(suite, "T,B,D,H")))
    print(f"written: {workdir / suite}.json, {workdir / suite}.png")


if __name__ == "__main__":
    with cli.plain_errors():
        app.run(main, flags_parser=functools.partial(cli.parse_flags, flags.FLAGS))
