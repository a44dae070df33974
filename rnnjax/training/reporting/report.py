"""The report of a run, one page that opens without a network; its curves; files of results."""

import contextlib
import datetime
import functools
import itertools
import math
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from rnnjax.errors import UserError
from rnnjax.training import atomic_files
from rnnjax.training.processes.group import PACKAGES
from rnnjax.training.profiling.operations import profile_section, read_profile
from rnnjax.training.profiling.tracing import FOLDER
from rnnjax.training.reporting.metrics_log import read_metrics
from rnnjax.training.reporting.progress import Measures
from rnnjax.visuals.figures import as_png, new_figure
from rnnjax.visuals.page import (
    LINKS,
    Section,
    escape,
    evenly_spread,
    links,
    note,
    number_cell,
    render_page,
    table,
    wide_table,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE = "report.html"
RESULTS = "results.json"
CURVES = "curves.png"
MOST_SAMPLES = 8
CURVES_NOTE = (
    "train: with dropout and other noise, by the weights of the moment. "
    "{}: without noise, by averaged weights where the config averages."
)

BLUE, ORANGE, GREY = "#2b6cb0", "#dd6b20", "#718096"
Series = tuple[list[int], list[float]]

SMALL = {
    "grad_norm": "gradient norm",
    "clip_rate": "share clipped",
    "learning_rate": "learning rate",
    "units_per_second": "{}/s",
}
"""Metrics of training with a small panel each, and what it says of them."""


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
        results: the final numbers by name, the one that matters most first.
        sections: samples, tables and pictures of the task.

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
        Section("Learning curves", html=note(CURVES_NOTE.format(measures.evaluated)), png=curves),
        *sections,
        *_samples(rows),
        *_time_and_speed(rows, measures.speed_unit or measures.unit or "unit"),
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
    """Samples of the model's output at evaluations, the last one included."""
    sampled = [row for row in rows if row["split"] == "sample"]
    if not sampled:
        return []
    shown = [*evenly_spread(sampled[:-1], MOST_SAMPLES - 1), sampled[-1]]
    lines = [
        f'<tr>{number_cell(str(row["step"]))}<td class="text">{escape(row["text"])}</td></tr>'
        for row in shown
    ]
    return [Section("Samples during training", html=wide_table(("step", "sample"), lines, (0,)))]


def _time_and_speed(rows: list[dict[str, Any]], unit: str) -> list[Section]:
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
    if speeds := [row["units_per_second"] for row in trained if "units_per_second" in row]:
        shown[f"{unit}s a second (median)"] = f"{statistics.median(speeds):,.0f}"
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


def write_results(folder: Path, files: Mapping[str, Any]) -> str:
    """Writes files whose numbers the terminal shows as well; makes their folder if need be.

    Args:
        folder: where they go.
        files: contents by name, the one to look at last: text, bytes, or what is written as JSON.

    Returns:
        The path of the last file, or why it could not be written: the numbers are not lost.
    """
    try:
        with atomic_files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            if not isinstance(content, str | bytes):
                content = atomic_files.as_json(content)
            encoded = content.encode() if isinstance(content, str) else content
            atomic_files.write_bytes(folder / name, encoded)
        if any(name.endswith(".html") for name in files):
            link_pages(folder)
    except UserError as error:
        return str(error)
    return str(folder / name)


def link_pages(folder: Path) -> None:
    """Puts links to all pages of a folder into each of them; UserError if one is not writable."""
    pages = sorted(folder.glob("*.html"))
    names = [page.name for page in pages]
    for page in pages:
        text = page.read_text(encoding="utf-8", errors="surrogateescape")
        linked = re.sub(LINKS, lambda _: links(names), text, count=1, flags=re.DOTALL)
        if linked != text:
            atomic_files.write_bytes(page, linked.encode("utf-8", "surrogateescape"))


def draw_curves(rows: list[dict[str, Any]], measures: Measures = Measures()) -> bytes:  # noqa: B008
    """Draws the logged metrics against the step: loss, metric and those of `SMALL`; a PNG file.

    The training loss is drawn beside the validation loss, or its part `nats` where it is more than
    a likelihood. A loss in nats also has an axis in bits; a score that decides has a curve of its
    own, if there are two evaluations at least.
    """

    def of(split: str, name: str) -> Series:
        chosen = [row for row in rows if row["split"] == split and name in row]
        return [row["step"] for row in chosen], [row[name] for row in chosen]

    unit, metric = measures.unit, measures.metric
    deciding = of("valid", metric)
    heights = {"loss": 3.0}
    if metric != "loss" and len(deciding[0]) > 1:
        heights["metric"] = 2.0
    heights |= {name: 0.8 for name in SMALL if of("train", name)[0]}
    figure = new_figure(9, 1.6 * sum(heights.values()))
    column = figure.subplots(
        len(heights), 1, height_ratios=[*heights.values()], sharex=True, squeeze=False
    )[:, 0]
    panels = dict(zip(heights, column, strict=True))
    for axes in column:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    train_loss = of("train", "nats" if of("train", "nats")[0] else "loss")
    _draw_loss(panels["loss"], train_loss, of("valid", "loss"), unit, measures.evaluated)
    if "metric" in panels:
        label = f"{metric} ({measures.scale})"
        _plot(panels["metric"], deciding, ORANGE, measures.evaluated, label)
        step, value = max(zip(*deciding, strict=True), key=lambda point: point[1])
        _mark_best(panels["metric"], f"best {measures.evaluated} {metric}", step, value)
    for name in SMALL.keys() & panels:
        label = SMALL[name].format(measures.speed_unit or unit or "unit").replace(" ", "\n")
        _plot(panels[name], of("train", name), GREY, "train", label)
    column[-1].set_xlabel("step")
    column[-1].locator_params("x", integer=True)
    return as_png(figure)


def _draw_loss(axes: "Axes", train: Series, valid: Series, unit: str, evaluated: str) -> None:
    label = f"loss (nats/{unit})" if unit else "loss"
    _plot(axes, train, BLUE, "train", label)
    _plot(axes, valid, ORANGE, evaluated, label)
    if valid[0]:
        step, value = min(zip(*valid, strict=True), key=lambda point: point[1])
        _mark_best(axes, f"lowest {evaluated} loss", step, value)
    if unit:
        to_bits = functools.partial(np.multiply, 1 / math.log(2))
        to_nats = functools.partial(np.multiply, math.log(2))
        axes.secondary_yaxis("right", functions=(to_bits, to_nats)).set_ylabel(f"bits/{unit}")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def _plot(axes: "Axes", series: Series, colour: str, split: str, label: str) -> None:
    """A line, with points where there are few, so that a single one is seen."""
    steps, values = series
    few = len(steps) < (3 if split == "train" else 200)
    if steps:
        axes.plot(steps, values, "o-" if few else "-", color=colour, label=split, ms=3, lw=1.4)
    axes.set_ylabel(label)


def _mark_best(axes: "Axes", name: str, step: int, value: float) -> None:
    axes.axhline(value, color=ORANGE, lw=0.7, ls=":")
    axes.set_title(f"{name} {value:.4f} at step {step}", fontsize=10)
