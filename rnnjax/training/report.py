"""A run on one page that opens without a network."""

import base64
import html
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rnnjax.training import storage
from rnnjax.training.curves import draw_curves
from rnnjax.training.metrics_log import read_metrics

FILE = "report.html"
CURVES = "curves.png"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "rnnjax")
STYLE = """
:root { color-scheme: light dark; --ink: #1a202c; --soft: #718096; --line: #e2e8f0;
  --paper: #fff; --shade: #f7fafc; --accent: #2b6cb0 }
@media (prefers-color-scheme: dark) { :root { --ink: #e2e8f0; --soft: #a0aec0; --line: #2d3748;
  --paper: #171923; --shade: #1f2430; --accent: #63b3ed } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2.5rem auto; padding: 0 1.25rem }
h1 { font-size: 1.9rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem;
  color: var(--accent) }
.soft { color: var(--soft); margin: .2rem 0 1.5rem }
.cards { display: flex; flex-wrap: wrap; gap: .8rem }
.card { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem 1rem;
  background: var(--shade) } .card b { display: block; font-size: 1.3rem }
.card span { color: var(--soft); font-size: .85rem }
img { max-width: 100%; background: #fff; border-radius: .5rem; border: 1px solid var(--line) }
pre { background: var(--shade); border: 1px solid var(--line); border-radius: .5rem;
  padding: .8rem 1rem; overflow-x: auto; white-space: pre-wrap; font-size: .87rem }
table { border-collapse: collapse; font-size: .9rem }
td { border-bottom: 1px solid var(--line); padding: .25rem 1.5rem .25rem 0; vertical-align: top }
td:first-child { color: var(--soft) }
"""


class Section(NamedTuple):
    """A part of the report; whichever of the three is given is shown, in this order.

    Attributes:
        title: its heading.
        text: shown as it is, in a fixed-width font.
        html: put in unchanged: it must come from the program, with all data in it escaped.
        png: the bytes of a picture.
    """

    title: str
    text: str = ""
    html: str = ""
    png: bytes = b""


def write_report(
    workdir: str | Path,
    *,
    title: str,
    config: dict[str, Any],
    results: dict[str, Any],
    sections: tuple[Section, ...] | list[Section] = (),
    unit: str = "",
) -> Path:
    """Writes ``curves.png`` and ``report.html`` into a workdir.

    Args:
        workdir: of the run; its metrics are read from there.
        title: of the page.
        config: of the run.
        results: the final numbers by name.
        sections: samples and whatever else there is to show.
        unit: what the loss counts.

    Returns:
        The path of ``report.html``.

    Raises:
        UserError: the files cannot be written.
    """
    workdir = Path(workdir)
    curves = draw_curves(read_metrics(workdir), unit)
    storage.write_bytes(workdir / CURVES, curves)
    shown = [
        Section("Learning curves", png=curves),
        *sections,
        Section("Config", html=_table(config)),
        Section("Command", text=shlex.join([Path(sys.executable).name, *sys.orig_argv[1:]])),
        Section("Environment", html=_table(_environment())),
    ]
    cards = "".join(
        f'<div class="card"><b>{_escape(value)}</b><span>{_escape(name)}</span></div>'
        for name, value in results.items()
    )
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_escape(title)}</title><style>{STYLE}</style></head><body>\n"
        f'<h1>{_escape(title)}</h1><p class="soft">{_escape(workdir.absolute())}</p>\n'
        f'<div class="cards">{cards}</div>\n{"".join(map(_render, shown))}</body></html>\n'
    )
    storage.write_text(workdir / FILE, page)
    return workdir / FILE


def _render(section: Section) -> str:
    parts = [f"<h2>{_escape(section.title)}</h2>"]
    if section.text:
        parts.append(f"<pre>{_escape(section.text)}</pre>")
    if section.html:
        parts.append(section.html)
    if section.png:
        data = base64.b64encode(section.png).decode()
        parts.append(f'<img alt="{_escape(section.title)}" src="data:image/png;base64,{data}">')
    return "".join(parts) + "\n"


def _table(values: dict[str, Any]) -> str:
    rows = (
        f"<tr><td>{_escape(name)}</td><td>{_escape(value)}</td></tr>"
        for name, value in values.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _escape(value: Any) -> str:
    return html.escape(f"{value:.5g}" if isinstance(value, float) else str(value))


def _environment() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    devices = jax.devices()
    found["devices"] = f"{len(devices)} x {devices[0].device_kind}"
    return found
