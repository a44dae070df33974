"""The report of a run: one page that opens without a network."""

import contextlib
import datetime
import itertools
import os
import platform
import shlex
import statistics
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from rnnjax.training import atomic_files
from rnnjax.training.processes.agreement import PACKAGES
from rnnjax.training.profiling.operations import read_profile
from rnnjax.training.profiling.tables import profile_section
from rnnjax.training.profiling.tracing import FOLDER
from rnnjax.training.reporting.curves import draw_curves
from rnnjax.training.reporting.metrics_log import read_metrics
from rnnjax.training.reporting.progress import Measures
from rnnjax.training.reporting.results import link_pages
from rnnjax.visuals.page import (
    Section,
    escape,
    evenly_spread,
    number_cell,
    render_page,
    table,
    wide_table,
)

FILE = "report.html"
RESULTS = "results.json"
CURVES = "curves.png"
MOST_SAMPLES = 8
CURVES_NOTE = (
    '<p class="soft">train: with dropout and other noise, by the weights of the moment. '
    "valid: without noise, by averaged weights where the config averages.</p>"
)


def write_report(
    workdir: str | Path,
    *,
    title: str,
    config: dict[str, Any],
    results: dict[str, Any],
    sections: tuple[Section, ...] | list[Section] = (),
    measures: Measures = Measures(),  # noqa: B008
) -> Path:
    """Writes ``curves.png``, ``report.html`` and ``results.json`` into a workdir.

    The last of them holds `results` as they are; a run that has it is finished.

    Args:
        workdir: of the run; its metrics are read from there.
        title: of the page.
        config: of the run.
        results: the final numbers by name, the one that matters most first.
        sections: samples, tables and pictures of the task.
        measures: what the metrics count.

    Returns:
        The path of ``report.html``.

    Raises:
        UserError: the files cannot be written.
    """
    workdir = Path(workdir)
    rows = read_metrics(workdir)
    curves = draw_curves(rows, measures)
    atomic_files.write_bytes(workdir / CURVES, curves)
    profile = read_profile(workdir / FOLDER)
    shown = [
        Section("Learning curves", html=CURVES_NOTE, png=curves),
        *sections,
        *_samples(rows),
        *_time_and_speed(rows),
        *([profile_section(profile)] if profile else []),
        Section("Config", html=table(config)),
        Section("Command", text=shlex.join([Path(sys.executable).name, *sys.orig_argv[1:]])),
        Section("Environment", html=table(_environment())),
    ]
    cards = {name: f"{n:,}" if isinstance(n, int) else n for name, n in results.items()}
    page = render_page(title, workdir.absolute(), cards, shown)
    atomic_files.write_text(workdir / FILE, page)
    link_pages(workdir)
    atomic_files.write_json(workdir / RESULTS, results)
    return workdir / FILE


def read_results(workdir: str | Path) -> dict[str, Any] | None:
    """The final numbers of a run, by name; None: it is not finished."""
    path = Path(workdir) / RESULTS
    return atomic_files.read_json(path) if path.exists() else None


def _samples(rows: list[dict[str, Any]]) -> list[Section]:
    """What the model wrote at evaluations, the last among them."""
    sampled = [row for row in rows if row["split"] == "sample"]
    if not sampled:
        return []
    shown = [*evenly_spread(sampled[:-1], MOST_SAMPLES - 1), sampled[-1]]
    lines = [
        f'{number_cell(str(row["step"]))}<td class="text">{escape(row["text"])}</td>'
        for row in shown
    ]
    cells = [f"<tr>{line}</tr>" for line in lines]
    return [Section("Samples during training", html=wide_table(("step", "sample"), cells, (0,)))]


def _time_and_speed(rows: list[dict[str, Any]]) -> list[Section]:
    trained = [row for row in rows if row.get("steps_per_second")]
    if not trained:
        return []
    steps = [0, *(row["step"] for row in trained)]
    seconds = sum(
        (after - before) / row["steps_per_second"]
        for (before, after), row in zip(itertools.pairwise(steps), trained, strict=True)
    )
    shown = {
        "first and last metrics": " to ".join(
            f"{datetime.datetime.fromtimestamp(row['time']):%Y-%m-%d %H:%M:%S}"
            for row in (rows[0], rows[-1])
        ),
        "updates took, evaluations apart": f"{datetime.timedelta(seconds=round(seconds))} h",
        "updates a second (median)": statistics.median(row["steps_per_second"] for row in trained),
    }
    waits = [row["data_wait"] for row in trained if "data_wait" in row]
    if waits:
        shown["waiting for data, at most (mean)"] = f"{statistics.fmean(waits):.1%} of the time"
    return [Section("Time and speed", html=table(shown))]


def _environment() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform()}
    for package in (*PACKAGES, "rnnjax"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        found["commit"] = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line for line in lines if line.startswith("model name"))
        found["processor"] = f"{name.partition(':')[2].strip()}, {os.cpu_count()} threads"
    devices = jax.devices()
    return {**found, "devices": f"{len(devices)} x {devices[0].device_kind}"}
