"""Texts compared by how likely they are: as a table for the terminal, a page and JSON."""

import json
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnnjax.errors import UserError
from rnnjax.tasks.language.scoring import TextScore
from rnnjax.tasks.language.text_model import TextModel
from rnnjax.training import atomic_files
from rnnjax.visuals.page import Section, render_page
from rnnjax.visuals.text import MAX_SURPRISE, coloured_text, surprise_colour


def report_scores(
    text_model: TextModel,
    texts: list[str],
    folder: Path,
    *,
    prompt: str | None = None,
    unknown: bool = False,
) -> str:
    """Scores texts; writes `score.html` and `score.json` into a folder.

    Args:
        text_model: the judge.
        texts: at least one; empty ones are left out.
        folder: where the files go.
        prompt: what each text is read after; None: a line end, where the vocabulary has one.
        unknown: characters that the vocabulary lacks are scored as its unknown symbol; otherwise
            texts that have such are left out, and named.

    Returns:
        A table for the terminal, the likeliest text first.

    Raises:
        UserError: there is no text left.
    """
    texts = [text for text in texts if text]
    if not texts:
        raise UserError("nothing to score: give --text=TEXT (repeatedly) or --text_file=FILE")
    left_out = [] if unknown else [t for t in texts if text_model.vocabulary.unknown_in(t)]
    told = "".join(
        f"\nleft out: {text!r}, for the training text has no "
        f"{text_model.vocabulary.unknown_in(text)!r} (--unknown scores it all the same)"
        for text in left_out
    )
    texts = [text for text in texts if text not in left_out]
    if not texts:
        raise UserError(f"nothing to score:{told}".replace("\n", " "))
    if prompt is None:
        prompt = "" if text_model.vocabulary.unknown_in("\n") else "\n"
    scores = text_model.score(texts, prompt, unknown=unknown)
    scores.sort(key=lambda score: (score.num_scored == 0, -score.total))
    context = f"Each text is read after {prompt!r} (--prompt), which has no part in its score."
    if not prompt:
        context = "The first character of each text has no score: nothing is before it (--prompt)."
    table = _table(scores)
    results = {"prompt": prompt, "texts": list(map(_as_json, scores))}
    page = atomic_files.write_results(
        folder,
        {
            "score.json": json.dumps(results, indent=1, ensure_ascii=False),
            "score.html": score_page(scores, f"{table}\n\n{context}"),
        },
    )
    return f"{table}{told}\n{context}\nSurprise of each character: {page}"


def score_page(scores: Sequence[TextScore], summary: str) -> str:
    """A page with each text on the colours of its surprise, below a summary."""
    legend = f"The redder, the less expected: from 0 bits to {MAX_SURPRISE:g} bits and more."
    sections = [Section("Scores", text=f"{summary} {legend}")]
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


def _table(scores: Sequence[TextScore]) -> str:
    """Scores as aligned lines, one a text, the first marked as the likeliest if there are more."""
    lines = [f"{'log-probability':>17} {'bits/char':>10} {'perplexity':>11} {'chars':>6}  text"]
    for n, score in enumerate(scores):
        mark = "*" if n == 0 and len(scores) > 1 else " "
        text = textwrap.shorten(repr(score.text)[1:-1], 60, placeholder=" ...")
        lines.append(
            f"{mark}{score.total:>16.3f} {score.bits_per_character:>10.4f} "
            f"{score.perplexity:>11.3f} {score.num_scored:>6}  {text or repr(score.text)}"
        )
    return "\n".join(lines)


def _as_json(score: TextScore) -> dict[str, Any]:
    rows = zip(score.text, score.log_probability.tolist(), score.rank.tolist(), strict=True)
    return {
        "text": score.text,
        "log_probability": score.total,
        "bits_per_character": score.bits_per_character if score.num_scored else None,
        "perplexity": score.perplexity if score.num_scored else None,
        "characters": [
            {"character": character, "log_probability": logp if rank else None, "rank": rank}
            for character, logp, rank in rows
        ],
    }
