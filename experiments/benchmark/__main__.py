"""Measures rnnjax beside other libraries, on this machine.

    python -m experiments.benchmark --suite=layers     # speed of LSTM, GRU and Elman layers
    python -m experiments.benchmark --suite=persistent # kernels for a GPU, beside cuDNN
    python -m experiments.benchmark --suite=variants   # cells of which no engine has a form
    python -m experiments.benchmark --suite=cells      # the newer cells, by their engines
    python -m experiments.benchmark --suite=compile    # time to trace and compile a training step
    python -m experiments.benchmark --suite=memory     # memory of long sequences
    python -m experiments.benchmark --suite=tagging    # taggers: throughput, and the CRF's share
    python -m experiments.benchmark --suite=training   # whole trainings of three tasks
    python -m experiments.benchmark --suite=decode     # texts that a language model writes

Everything takes turns and is reported as a ratio of medians, because absolute times on a shared
CPU mean little; on an accelerator the JSON holds the milliseconds too. A training step is the
gradient of sum(y^2) with respect to parameters and inputs; that of a task is a whole one, on the
data of --data. The other libraries come with `pip install 'rnnjax[bench]'`; whichever is missing is
named and left out.
"""

import functools
import importlib
from pathlib import Path

import jax
from absl import app, flags, logging

from experiments import cli
from experiments.benchmark import report, suites

# Suites of single tasks, in files of their own: each has a TITLE, a SIZE and a `suite`.
OF_TASKS = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if "\ndef suite(" in path.read_text(encoding="utf-8")
)
SUITE = flags.DEFINE_enum(
    "suite", "layers", [*suites.SUITES, *OF_TASKS, "peak"], "What to measure."
)
DATA = flags.DEFINE_string(
    "data", "embedded", "Suites of a task: embedded, a folder, or what else the task reads."
)
WORKDIR = flags.DEFINE_string("workdir", "runs/benchmark", "Where the JSON and the plot go.")
REPEATS = flags.DEFINE_integer("repeats", 11, "Runs of which the median counts.", lower_bound=1)


def main(_: None) -> None:
    """Runs the chosen suite, prints the table and saves JSON and plot."""
    logging.set_verbosity(logging.WARNING)
    name, workdir = SUITE.value, Path(WORKDIR.value)
    if name == "peak":
        print(suites.peak())
        return
    if name in suites.SUITES:
        title, measure = suites.SUITES[name]
        size, rows = "T,B,D,H", measure(REPEATS.value)
    else:
        module = importlib.import_module(f"experiments.benchmark.{name}")
        title, size, rows = module.TITLE, module.SIZE, module.suite(REPEATS.value, DATA.value)
    title = f"{jax.devices()[0].device_kind}, jax {jax.__version__}: {title}"
    if name == "layers":
        rows = report.with_spread(rows)
    report.save(rows, name, title, workdir, contest=name in ("layers", "persistent"))
    print(title)
    print(report.table(rows, size))
    print(f"written: {workdir / name}.json, {workdir / name}.png")


if __name__ == "__main__":
    with cli.plain_errors():
        app.run(main, flags_parser=functools.partial(cli.parse_flags, flags.FLAGS))
