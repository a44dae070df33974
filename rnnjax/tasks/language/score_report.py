"""Texts compared by how likely they are: as a table for the terminal and as a page."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import training
from rnnjax.data import UNKNOWN, Vocabulary
from rnnjax.errors import UserError
from rnnjax.models import LanguageModel
from rnnjax.tasks.language.text_model import TextModel, TextScore
from rnnjax.visuals.page import (
    MAX_SURPRISE,
    Section,
    coloured_text,
    escape,
    note,
    number_cell,
    render_page,
    surprise_colour,
    wide_table,
)

HEADS = ("log-probability", "bits/char", "perplexity", "chars", "text")
LINE = "{}{:>16} {:>10} {:>11} {:>6}  {}"


def report_scores(
    text_model: TextModel,
    texts: list[str],
    folder: Path,
    *,
    prompt: str | None = None,
    unknown: bool = False,
) -> str:
    """Scores texts, and writes `score.html` into a folder.

    Args:
        texts: at least one; empty ones are left out.
        prompt: what each text is read after; None: a line end, where the vocabulary has one.
        unknown: characters that the vocabulary lacks are scored as its unknown symbol; otherwise
            texts that have such are left out, and named.

    Returns:
        A table for the terminal, the likeliest text first, and which texts were left out.

    Raises:
        UserError: there is no text left.
    """
    texts = [text for text in texts if text]
    if not texts:
        raise UserError("nothing to score: give --text=TEXT (repeatedly) or --text_file=FILE")
    lacks = {text: "" if unknown else text_model.vocabulary.unknown_in(text) for text in texts}
    told = "".join(
        f"\nleft out: {text!r}, for the training text has no {lacks[text]!r} "
        "(--unknown scores it all the same)"
        for text in texts
        if lacks[text]
    )
    texts = [text for text in texts if not lacks[text]]
    if not texts:
        raise UserError(f"nothing to score:{told}".replace("\n", " "))
    if prompt is None:
        prompt = "" if text_model.vocabulary.unknown_in("\n") else "\n"
    scores = text_model.score(texts, prompt, unknown=unknown)
    scores.sort(key=lambda score: (score.num_scored == 0, -score.total))
    context = f"Each text is read after {prompt!r} (--prompt), which has no part in its score."
    if not prompt:
        context = "The first character of each text has no score: nothing is before it (--prompt)."
    if len(scores) > 1:
        context = f"* marks the likeliest text. {context}"
    page = training.write_results(folder, {"score.html": score_page(scores, context)})
    table = "\n".join(LINE.format(*cells) for cells in [(" ", *HEADS), *_rows(scores)])
    return f"{table}{told}\n{context}\nSurprise of each character: {page}"


def score_page(scores: Sequence[TextScore], context: str) -> str:
    """A page with a table of the scores, and each text on the colours of its surprise."""
    rows = [
        f'<tr><td class="words">{escape(f"{mark} {text}".strip())}</td>'
        f"{''.join(map(number_cell, numbers))}</tr>"
        for mark, *numbers, text in _rows(scores)
    ]
    table = wide_table((HEADS[-1], *HEADS[:-1]), rows, range(1, 5))
    marks = range(0, int(MAX_SURPRISE) + 1, 2)
    scale = coloured_text([f" 1/{2**bits} " for bits in marks], [*map(surprise_colour, marks)])
    legend = (
        "The colour of a character is its probability: the redder, the less expected. "
        f"Below 1/{2 ** marks[-1]} it is the same."
    )
    sections = [Section("Scores", html=table + note(context) + note(legend) + scale)]
    for score in scores:
        surprise = -score.log_probability / math.log(2)
        hints = [
            "unscored" if math.isnan(bits) else f"{c!r}: p = {2**-bits:.4g}, {bits:.2f} bits"
            for c, bits in zip(score.text, surprise, strict=True)
        ]
        shown = coloured_text(score.text, [surprise_colour(bits) for bits in surprise], hints)
        sections.append(Section(f"{score.bits_per_character:.3f} bits/char", html=shown))
    return render_page("Scores", "log-probabilities in nats", {}, sections)


def report_steps(
    model: LanguageModel, vocabulary: Vocabulary, ids: np.ndarray
) -> tuple[str, Section]:
    """The scores of every symbol at every step of a text, the next one in brackets.

    Returns:
        A table for the terminal, and one for a page.
    """
    ids = np.asarray(ids, np.int32)
    logits, _ = model(jnp.asarray(ids[:-1, None]), model.initial_carry(1))
    scores = np.stack([logits[:, 0], jax.nn.softmax(logits[:, 0])], axis=-1)
    symbols = [repr(vocabulary.decode([n])) for n in range(len(vocabulary))]
    lines = [f"{'after':>7} {''.join(f'{symbol:^18}' for symbol in symbols)}"]
    rows = []
    for last, target, of_step in zip(ids[:-1], ids[1:], scores.tolist(), strict=True):
        cells = [f" {logit:7.2f} {p:6.1%}  " for logit, p in of_step]
        cells[target] = f"[{cells[target][1:-2]}] "
        lines.append(f"{symbols[last]:>7} {' '.join(cells)}".rstrip())
        parts = [f"{logit:.2f}<br>{p:.1%}" for logit, p in of_step]
        parts[target] = f"<b>[{parts[target]}]</b>"
        rows.append([escape(symbols[last]), *parts])
    title = "Scores at each step"
    legend = f"each cell: logit, probability; [target]; {UNKNOWN!r}: any other character"
    table = wide_table(["after", *map(escape, symbols)], rows, range(1, len(symbols) + 1))
    return "\n".join([f"{title}:", legend, *lines, ""]), Section(title, html=note(legend) + table)


def _rows(scores: Sequence[TextScore]) -> Iterator[tuple[str, ...]]:
    """The rows below `HEADS`; of several texts, the likeliest is marked."""
    for n, score in enumerate(scores):
        mark = "*" if n == 0 and len(scores) > 1 else " "
        text = textwrap.shorten(repr(score.text)[1:-1], 60, placeholder=" ...") or repr(score.text)
        numbers = f"{score.total:.3f}", f"{score.bits_per_character:.4f}", f"{score.perplexity:.3f}"
        yield mark, *numbers, str(score.num_scored), text
