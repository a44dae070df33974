"""Scores of a classifier of texts, and pages with its words in colour."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax import data, training, visuals
from rnnjax.data.examples import SUFFIXES, suffix_of
from rnnjax.data.files import in_a_line, name_of
from rnnjax.data.labelled import are_numbers, as_column, read_columns
from rnnjax.errors import UserError, counted
from rnnjax.metrics.classes import confusions
from rnnjax.models.sequence_classifier import Classified
from rnnjax.tasks.sentiment.labelled_texts import Splits
from rnnjax.tasks.sentiment.sentiment_model import SentimentModel
from rnnjax.training import atomic_files
from rnnjax.visuals.page import Section, escape, render_page, wide_table

MOST_ERRORS = 100
OUTPUTS = (".html", ".jsonl")

LEGENDS = {
    "attention": (
        ((0.3, "a little"), (0.6, "some"), (1, "most of all")),
        "Blue: the weight of a word in the vector of its text (attention).",
    ),
    "gradient": (
        ((-1, "against"), (-0.4, "a little against"), (0.4, "a little for"), (1, "for")),
        "Blue words speak for the predicted class, red ones against it (gradient times input).",
    ),
}
"""Of each kind of relevance: shades and what they mean, and a sentence."""


def scores_of(
    model: SentimentModel, examples: Sequence[data.Example]
) -> tuple[dict[str, Any], np.ndarray]:
    """How well labelled texts are classified.

    Returns:
        `num_texts`; `accuracy` and `macro_f1` in percent, the mean over the classes that are true
        or predicted of any text; of more than two labels that are numbers `absolute_error`, the
        mean distance from the true one, else None.
        And the confusions `[K, K]`: true class, predicted class.
    """
    labels = model.vocabulary.labels
    gold = [one.fields["label"] for one in examples]
    found = [one.label for one in model.classify([one.fields["text"] for one in examples])]
    counts = confusions(gold, found, labels)
    right = np.trace(counts) / len(gold)
    there = counts.sum(axis=0) + counts.sum(axis=1)
    f1 = np.mean(2 * np.diag(counts)[there > 0] / there[there > 0])
    error = None
    if len(labels) > 2 and are_numbers(labels):
        pairs = zip(gold, found, strict=True)
        error = float(np.mean([abs(int(a) - int(b)) for a, b in pairs]))
    scores = {"accuracy": 100 * float(right), "macro_f1": 100 * float(f1), "absolute_error": error}
    return {"num_texts": len(gold), **scores}, counts


def report_scores(
    model: SentimentModel, splits: Splits, split: str, folder: Path
) -> tuple[str, list[Section]]:
    """Writes `scores_SPLIT.json` and `confusion_SPLIT.png` into a folder.

    Returns:
        A summary for the terminal, and the confusion matrix for a report.
    """
    scores, counts = scores_of(model, splits[split])
    title = (
        f"{split}: {scores['accuracy']:.2f}% of {scores['num_texts']:,} texts right, macro F1 "
        f"{scores['macro_f1']:.2f}"
    )
    if (error := scores["absolute_error"]) is not None:
        title += f", mean absolute error {error:.3f}"
    png = visuals.draw_confusion(model.vocabulary.labels, counts)
    numbers = scores | {"confusion": counts.tolist()}
    files = {f"scores_{split}.json": numbers, f"confusion_{split}.png": png}
    picture = training.write_results(folder, files)
    share = model.vocabulary.unknown_share(one.fields["text"] for one in splits[split])
    unknown = f"{share:.1%} of the words are unknown"
    return f"{title}\n{unknown}\nConfusion matrix: {picture}", [Section(title, png=png)]


def texts_of_file(path: str, text_column: str, *, encoding: str) -> list[str]:
    """The texts to classify of a file: a column of a TSV, CSV or JSONL file; else its lines.

    Args:
        path: of the file; -: stdin.
        text_column: its name, or its number from 0.

    Raises:
        UserError: it cannot be read, or has no text.
    """
    if suffix_of(path) in SUFFIXES:
        examples = read_columns(path, {"text": as_column(text_column)}, encoding=encoding)
        for one in examples:
            if not one.fields["text"].strip():
                raise UserError(f"{one.place}: the text is empty")
        return [one.fields["text"] for one in examples]
    lines = data.read_text(path, encoding=encoding).removesuffix("\n").split("\n")
    if not (texts := [line for line in lines if line.strip()]):
        raise UserError(f"{name_of(path)} has no text: expected one a line")
    if empty := len(lines) - len(texts):
        training.say(f"Left out of {name_of(path)}: {counted(empty, 'empty line')}")
    return texts


def report_predictions(
    model: SentimentModel, texts: Sequence[str], output: str | None, by: str | None
) -> str:
    """Writes predictions to a file, or returns them for the terminal, a line a text.

    Args:
        output: a path that ends in one of `OUTPUTS`; None: none.
        by: what words are coloured by on a page; see `SentimentModel.relevance`.

    Raises:
        UserError: a text has no word, words cannot be coloured so, or the file cannot be written.
    """
    model.relevance_by(by)
    found = model.classify(texts)
    if guessed := [text for text in texts if model.vocabulary.unknown_share([text]) == 1]:
        training.say(
            f"{len(guessed):,} of {len(texts):,} texts have no known word, their classes are "
            f"guesses; first: {guessed[0]!r:.60}"
        )
    if limit := model.limit:
        longer = sum(len(model.vocabulary.words_of(text)) > limit for text in texts)
        if longer:
            training.say(
                f"{longer:,} of {len(texts):,} texts are longer than {limit} words and cut"
            )
    if output is None:
        pairs = zip(texts, found, strict=True)
        return "\n".join(f"{one.label} ({_percent(one)})\t{in_a_line(text)}" for text, one in pairs)
    if output.endswith(".jsonl"):
        pairs = zip(texts, found, strict=True)
        content = atomic_files.as_json_lines({"text": text, **one._asdict()} for text, one in pairs)
    else:
        heads = [f"<b>{escape(one.label)}</b> {_percent(one)}" for one in found]
        section = Section("Texts", html=_coloured(model, texts, heads, by))
        content = render_page("Sentiment", counted(len(texts), "text"), {}, [section])
    atomic_files.write_text(Path(output), content)
    return f"{counted(len(texts), 'text')}: {output}"


def errors_section(
    model: SentimentModel,
    examples: Sequence[data.Example],
    *,
    by: str | None = None,
    limit: int = MOST_ERRORS,
) -> Section:
    """The texts that are classified wrongly, the most confident errors first, in colour."""
    found = model.classify([one.fields["text"] for one in examples])
    wrong = [
        (one, said)
        for one, said in zip(examples, found, strict=True)
        if one.fields["label"] != said.label
    ]
    wrong.sort(key=lambda pair: -pair[1].probabilities[pair[1].label])
    title = f"{len(wrong):,} errors, the most confident first"
    if len(wrong) > limit:
        title += f"; shown: the first {limit:,}"
    heads = [
        f"<b>{escape(said.label)}</b> {_percent(said)}<br>true: "
        f"<b>{escape(one.fields['label'])}</b>"
        for one, said in wrong[:limit]
    ]
    texts = [one.fields["text"] for one, _ in wrong[:limit]]
    return Section(title, html=_coloured(model, texts, heads, by) if texts else "<p>None.</p>")


def report_inspection(
    model: SentimentModel, splits: Splits, split: str, by: str | None, folder: Path
) -> str:
    """Writes `inspect.html` with confusions and errors; returns a line for the terminal."""
    summary, sections = report_scores(model, splits, split, folder)
    sections.append(errors_section(model, splits[split], by=by))
    page = render_page("Inside the classifier", split, {}, sections)
    return f"{summary}\nErrors: {training.write_results(folder, {'inspect.html': page})}"


def coloured_words(text: str, relevance: np.ndarray) -> str:
    """HTML of a text as it was written, with a colour behind each word.

    Args:
        text: of T words and punctuation marks.
        relevance: `[T]`; the largest distance from 0 gets the strongest colour.
    """
    pieces, values, end = [], [], 0
    for token, value in zip(data.tokenize(text), relevance.tolist(), strict=True):
        pieces += [text[end : token.start], token.text]
        values += [0.0, value]
        end = token.end
    strongest = max(map(abs, values), default=0.0) or 1.0
    colours = [visuals.signed_colour(value / strongest) if value else "" for value in values]
    hints = [f"{value:.3g}" if value else "" for value in values]
    return visuals.coloured_text(pieces, colours, hints)


def _coloured(
    model: SentimentModel, texts: Sequence[str], heads: Sequence[str], by: str | None
) -> str:
    """HTML of a legend and a table of texts in colour, each behind what is said of it."""
    shades, sentence = LEGENDS[model.relevance_by(by)]
    spans = "".join(
        f'<span style="background:{visuals.signed_colour(value)};padding:.15em .4em">{name}</span> '
        for value, name in shades
    )
    relevance = model.relevance(texts, by)
    rows = (
        f'<tr><td class="kind">{head}</td><td>{coloured_words(text, its)}</td></tr>'
        for head, text, its in zip(heads, texts, relevance, strict=True)
    )
    table = wide_table(("class", "text"), rows, ())
    return (
        f'<p class="soft">{sentence} The strongest colour is the strongest word of each text.'
        f"</p><p>{spans}</p>{table}"
    )


def _percent(said: Classified) -> str:
    return f"{said.probabilities[said.label]:.1%}"
