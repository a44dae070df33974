"""Activations, gates and gradients of a language model that reads a text."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from rnnjax import diagnostics, training
from rnnjax.errors import UserError
from rnnjax.losses import target_log_probability
from rnnjax.models.language_model import LanguageModel
from rnnjax.tasks.language.text_model import TextModel
from rnnjax.typing import Array
from rnnjax.visuals.page import Section, coloured_text, note, render_page, signed_colour
from rnnjax.visuals.pictures import draw_activations, draw_gradient_norms, draw_saturation

MAX_DISTANCE = 100
NUM_UNITS = 6
LAG = 4
"""Steps over which units that are shown should keep their value."""

ABOUT = "activations after each character: tanh(c) of an LSTM, h of other cells"
CHOSEN = (
    f"These units have the largest autocovariance at a distance of {LAG} steps: "
    "they vary much and switch seldom. --units=NUMBER,NUMBER shows others."
)
SCALE = (-1.0, -0.5, 0.0, 0.5, 1.0)
SATURATION = "Each dot is a unit: how much of the time its gate is closed, and how much open."
GATES = {
    "i": "i, the input gate, is how much of the candidate g enters the cell state c",
    "f": "f, the forget gate, is how much of the old c is kept",
    "o": "o, the output gate, is how much of tanh(c) is passed on as h",
    "r": "r, the reset gate, is how much of the old h the candidate n depends on",
    "z": "z, the update gate, is how much of the old h is kept; the rest comes from n",
}
GRADIENT = "How strongly the loss at a step depends on the carry k steps before."


class Findings(NamedTuple):
    """Measurements of a model that read a text; lists by layer, in the order in which they run.

    Attributes:
        activations: after each symbol `[T, H]`; see `rnnjax.diagnostics.activations`.
        saturation: by gate; see `rnnjax.diagnostics.saturation`.
        persistence: `[H]`; see `rnnjax.diagnostics.persistence`.
        gradient_norms: `[positions, K + 1]`; see `rnnjax.diagnostics.gradient_norms`.
    """

    activations: list[Array]
    saturation: list[dict[str, diagnostics.Saturation]]
    persistence: list[Array]
    gradient_norms: Array


def inspect(model: LanguageModel, text: ArrayLike, *, max_distance: int) -> Findings:
    """Reads a text and notes what every unit does, and how far back the loss reaches.

    Args:
        text: int `[T]`.
        max_distance: K, in steps, below T - 1.
    """
    return training.result_of(_read, model, np.asarray(text, np.int32), max_distance)


def _read(model: LanguageModel, max_distance: int, tokens: Array) -> Findings:
    recurrent = model.recurrent
    traced = diagnostics.trace(
        recurrent.cell, recurrent.params.get_value(), model.embed(tokens[:, None])
    )

    def step(carry, symbols):
        token, target = symbols
        logits, carry = model.step(token[None], carry)
        return carry, -target_log_probability(logits, target[None])[0]

    norms = diagnostics.gradient_norms(
        step, model.initial_carry(1), (tokens[:-1], tokens[1:]), max_distance=max_distance
    )
    values = [diagnostics.activations(layer)[:, 0] for layer in traced]
    saturation = [
        {name: diagnostics.saturation(gate) for name, gate in diagnostics.gates(layer).items()}
        for layer in traced
    ]
    persistence = [diagnostics.persistence(its_values, lag=LAG) for its_values in values]
    return Findings(values, saturation, persistence, norms)


def report_inspection(
    text_model: TextModel,
    ids: np.ndarray,
    folder: Path,
    *,
    layer: int = 0,
    units: str | None = None,
) -> str:
    """Writes `inspect.html` and its pictures, `inspect_*.png`, into a folder.

    Args:
        ids: what it reads, int `[T]`.
        layer: of the units to show, from 1; 0: the last.
        units: numbers with commas between them; None: those that vary much and switch seldom.

    Returns:
        A summary for the terminal.

    Raises:
        UserError: the text is too short, or there is no such unit.
    """
    if len(ids) <= LAG:
        raise UserError(
            f"a text of {len(ids)} is too short to inspect: give --text=TEXT, {LAG + 1} or more"
        )
    findings = inspect(text_model.model, ids, max_distance=min(MAX_DISTANCE, len(ids) // 2))
    layer = layer or len(findings.activations)
    if not 1 <= layer <= len(findings.activations):
        raise UserError(f"--layer lies in 1 .. {len(findings.activations)}; got {layer}")
    chosen = _chosen_units(findings.persistence[layer - 1], units)
    values = {
        f"layer {layer}, unit {unit}": findings.activations[layer - 1][:, unit] for unit in chosen
    }
    characters = [text_model.vocabulary.decode([n]) for n in ids]
    saturation = {f"layer {n}": found for n, found in enumerate(findings.saturation, 1)}
    pictures = {"units": draw_activations(characters, values)}
    if any(saturation.values()):
        pictures["saturation"] = draw_saturation(saturation)
    pictures["gradient"] = draw_gradient_norms(findings.gradient_norms)
    scale = coloured_text([f" {value:g} " for value in SCALE], [*map(signed_colour, SCALE)])
    sections = [Section("Units", html=(note(CHOSEN) if units is None else "") + scale)]
    sections += [_text_section(name, characters, shown) for name, shown in values.items()]
    if "saturation" in pictures:
        letters = [GATES[gate] for gate in GATES if any(gate in of for of in saturation.values())]
        told = note(f"{SATURATION} {'; '.join(letters)}.")
        sections.append(Section("Gate saturation", html=told, png=pictures["saturation"]))
    sections.append(
        Section("Gradient against distance in time", html=note(GRADIENT), png=pictures["gradient"])
    )
    files: dict[str, str | bytes] = {f"inspect_{name}.png": png for name, png in pictures.items()}
    files["inspect.html"] = render_page("Inside the network", ABOUT, {}, sections)
    page = training.write_results(folder, files)
    lines = [
        f"{name}, gate {gate}: below 0.1 for {left.mean():.1%} of the time, "
        f"above 0.9 for {right.mean():.1%}"
        for name, gates in saturation.items()
        for gate, (left, right) in gates.items()
    ]
    norms = np.median(findings.gradient_norms, axis=0)
    lines.append(f"gradient {len(norms) - 1} steps back: {norms[-1] / norms[0]:.2g} of that at 0")
    lines.append(f"layer {layer}, units {','.join(map(str, chosen))}: {page}")
    return "\n".join(lines)


def _text_section(name: str, characters: Sequence[str], values: Array) -> Section:
    """The text on the colours of a unit."""
    hints = [f"{c!r}: {value:+.3f}" for c, value in zip(characters, values, strict=True)]
    colours = [signed_colour(float(value)) for value in values]
    return Section(name, html=coloured_text(characters, colours, hints))


def _chosen_units(persistence: Array, units: str | None) -> list[int]:
    if units is None:
        return np.argsort(-persistence)[:NUM_UNITS].tolist()
    try:
        chosen = [int(unit) for unit in units.split(",")]
    except ValueError:
        raise UserError(f"--units is a list such as 3,17; got {units!r}") from None
    size = len(persistence)
    if outside := [unit for unit in chosen if not 0 <= unit < size]:
        raise UserError(f"--units lie in 0 .. {size - 1}; got {outside[0]}")
    return chosen
