"""The report of a run: one page that opens without a network."""

import contextlib
import platform
import shlex
import statistics
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
from rnnjax.visuals.page import Section, render_page, table

FILE = "report.html"
RESULTS = "results.json"
CURVES = "curves.png"


def write_report(
    workdir: str | Path,
    *,
    title: str,
    config: dict[str, Any],
    results: dict[str, Any],
    sections: tuple[Section, ...] | list[Section] = (),
    unit: str = "",
    metric: str = "loss",
) -> Path:
    """Writes ``curves.png``, ``report.html`` and ``results.json`` into a workdir.

    The last of them holds `results` as they are; a run that has it is finished.

    Args:
        workdir: of the run; its metrics are read from there.
        title: of the page.
        config: of the run.
        results: the final numbers by name, the one that matters most first.
        sections: samples, tables and pictures of the task.
        unit: what the loss counts.
        metric: which validation metric decides; see `draw_curves`.

    Returns:
        The path of ``report.html``.

    Raises:
        UserError: the files cannot be written.
    """
    workdir = Path(workdir)
    rows = read_metrics(workdir)
    curves = draw_curves(rows, unit, metric)
    atomic_files.write_bytes(workdir / CURVES, curves)
    profile = read_profile(workdir / FOLDER)
    shown = [
        Section("Learning curves", png=curves),
        *sections,
        *_speed(rows),
        *([profile_section(profile)] if profile else []),
        Section("Config", html=table(config)),
        Section("Command", text=shlex.join([Path(sys.executable).name, *sys.orig_argv[1:]])),
        Section("Environment", html=table(_environment())),
    ]
    cards = {name: f"{n:,}" if isinstance(n, int) else n for name, n in results.items()}
    page = render_page(title, workdir.absolute(), cards, shown)
    atomic_files.write_text(workdir / FILE, page)
    atomic_files.write_json(workdir / RESULTS, results)
    return workdir / FILE


def read_results(workdir: str | Path) -> dict[str, Any] | None:
    """The final numbers of a run, by name; None: it is not finished."""
    path = Path(workdir) / RESULTS
    return atomic_files.read_json(path) if path.exists() else None


def _speed(rows: list[dict[str, Any]]) -> list[Section]:
    speeds = [row["steps_per_second"] for row in rows if "steps_per_second" in row]
    waits = [row["data_wait"] for row in rows if "data_wait" in row]
    if not (speeds and waits):
        return []
    shown = {
        "steps a second (median)": statistics.median(speeds),
        "waiting for data, at most (mean)": f"{statistics.fmean(waits):.1%} of the time",
    }
    return [Section("Speed", html=table(shown))]


def _environment() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform()}
    for package in (*PACKAGES, "rnnjax"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    devices = jax.devices()
    return {**found, "devices": f"{len(devices)} x {devices[0].device_kind}"}
