"""Texts compared by how likely they are."""

import json
from pathlib import Path
from typing import Any

from rnnjax.errors import UserError
from rnnjax.tasks.language.pages import score_page, score_table
from rnnjax.tasks.language.text_model import TextModel
from rnnjax.tasks.language.text_score import TextScore
from rnnjax.training import atomic_files


def report_scores(
    text_model: TextModel, texts: list[str], folder: Path, *, prompt: str | None = None
) -> str:
    """Scores texts; writes `score.html` and `score.json` into a folder.

    Args:
        text_model: the judge.
        texts: at least one; empty ones are left out.
        folder: where the files go.
        prompt: what each text is read after; None: a line end, where the vocabulary has one.

    Returns:
        A table for the terminal, the likeliest text first.

    Raises:
        UserError: there is no text, a character is unknown, or a file cannot be written.
    """
    texts = [text for text in texts if text]
    if not texts:
        raise UserError("nothing to score: give --text=TEXT (repeatedly) or --text_file=FILE")
    if prompt is None:
        prompt = "" if text_model.vocabulary.unknown_in("\n") else "\n"
    scores = text_model.score(texts, prompt)
    scores.sort(key=lambda score: (score.num_scored == 0, -score.total))
    context = f"Each text is read after {prompt!r} (--prompt), which has no part in its score."
    if not prompt:
        context = "The first character of each text has no score: nothing is before it (--prompt)."
    page = folder / "score.html"
    atomic_files.write_text(page, score_page(scores, context))
    results = {"prompt": prompt, "texts": list(map(_as_json, scores))}
    atomic_files.write_text(
        folder / "score.json", json.dumps(results, indent=1, ensure_ascii=False)
    )
    return f"{score_table(scores)}\n{context}\nSurprise of each character: {page}"


def texts_of_file(path: str, encoding: str) -> list[str]:
    """The lines of a file; UserError if it cannot be read, or is not in that encoding."""
    try:
        return Path(path).read_text(encoding=encoding).splitlines()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeError as error:
        raise UserError(f"{path} is not {encoding} text: {error}") from error


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
