"""What a language model thinks of a text: as a table for the terminal, and as a page."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnjax.tasks.language.text_score import TextScore
from rnnjax.visuals.page import Section, render_page
from rnnjax.visuals.pictures import draw_activations, draw_gradient_norms, draw_saturation
from rnnjax.visuals.text import MAX_SURPRISE, coloured_text, signed_colour, surprise_colour


def score_table(scores: Sequence[TextScore]) -> str:
    """Scores as aligned lines, one a text, the first marked as the likeliest if there are more."""
    lines = [f"{'log-probability':>17} {'bits/char':>10} {'perplexity':>11} {'chars':>6}  text"]
    for n, score in enumerate(scores):
        mark = "*" if n == 0 and len(scores) > 1 else " "
        lines.append(
            f"{mark}{score.total:>16.3f} {score.bits_per_character:>10.4f} "
            f"{score.perplexity:>11.3f} {score.num_scored:>6}  {_short(score.text)}"
        )
    return "\n".join(lines)


def score_page(scores: Sequence[TextScore], context: str) -> str:
    """A page with each text on the colours of its surprise.

    Args:
        scores: the likeliest first.
        context: a sentence that says what each text was read after.
    """
    legend = f"The redder, the less expected: from 0 bits to {MAX_SURPRISE:g} bits and more."
    sections = [Section("Scores", text=f"{score_table(scores)}\n\n{context} {legend}")]
    for score in scores:
        surprise = -score.log_probability / math.log(2)
        hints = [
            f"{character!r}: p = {2**-bits:.4g}, rank {rank}, {bits:.2f} bits"
            if rank
            else "unscored"
            for character, bits, rank in zip(score.text, surprise, score.rank, strict=True)
        ]
        shown = coloured_text(score.text, [surprise_colour(bits) for bits in surprise], hints)
        sections.append(Section(f"{score.bits_per_character:.3f} bits/char", html=shown))
    return render_page("Scores", "log-probabilities in nats", {}, sections)


def step_table(symbols: Sequence[str], inputs: Any, targets: Any, logits: Any) -> str:
    """The scores of every symbol at every step, the target marked by brackets.

    Args:
        symbols: how each of the V is shown.
        inputs: int `[T]`.
        targets: int `[T]`.
        logits: `[T, V]`.
    """
    logits = np.asarray(logits, np.float64)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    head = "".join(f"{symbol!r:^18}" for symbol in symbols)
    lines = ["each cell: logit, probability; [target]", f"{'after':>7} {head}"]
    for n, (symbol, target) in enumerate(zip(inputs, targets, strict=True)):
        cells = []
        for v, (logit, probability) in enumerate(zip(logits[n], probabilities[n], strict=True)):
            cell = f"{logit:7.2f} {probability:6.1%}"
            cells.append(f"[{cell}] " if v == target else f" {cell}  ")
        lines.append(f"{symbols[symbol]!r:>7} {' '.join(cells)}".rstrip())
    return "\n".join(lines)


def inspection_pictures(
    characters: Sequence[str],
    units: Mapping[str, Any],
    saturation: Mapping[str, Mapping[str, Any]],
    gradient_norms: Any,
) -> dict[str, bytes]:
    """The pictures of an inspection, as PNG by name; no `saturation` for cells without gates.

    Args:
        characters: the text that was read, T symbols.
        units: activations `[T]` by the name of the unit.
        saturation: see `draw_saturation`.
        gradient_norms: see `draw_gradient_norms`.
    """
    pictures = {"units": draw_activations(characters, units)}
    if any(saturation.values()):
        pictures["saturation"] = draw_saturation(saturation)
    return {**pictures, "gradient": draw_gradient_norms(gradient_norms)}


def inspection_page(
    characters: Sequence[str], units: Mapping[str, Any], pictures: Mapping[str, bytes]
) -> str:
    """A page with the text on the colours of each unit, and with the pictures.

    Args:
        characters: the text that was read.
        units: activations by the name of the unit.
        pictures: from `inspection_pictures`.
    """
    sections = []
    for name, values in units.items():
        hints = [f"{c!r}: {value:+.3f}" for c, value in zip(characters, values, strict=True)]
        colours = [signed_colour(float(value)) for value in values]
        sections.append(Section(name, html=coloured_text(characters, colours, hints)))
    if "saturation" in pictures:
        sections.append(
            Section(
                "Gate saturation",
                text="Each dot is a unit: how much of the time its gate is shut, and open.",
                png=pictures["saturation"],
            )
        )
    sections.append(
        Section(
            "Gradient against distance in time",
            text="How strongly the loss at a step depends on the carry k steps before.",
            png=pictures["gradient"],
        )
    )
    about = "after each character: -1 is red, +1 is blue (tanh of an LSTM's cell state, or h)"
    return render_page("Inside the network", about, {}, sections)


def _short(text: str) -> str:
    return textwrap.shorten(repr(text)[1:-1], 60, placeholder=" ...") or repr(text)
