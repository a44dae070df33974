"""Scores by kind of question, and stories shaded by what each hop attends to."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rnnjax import training
from rnnjax.errors import counted
from rnnjax.metrics.answers import Answered, frequent_answers
from rnnjax.tasks.reading.babi import Question
from rnnjax.tasks.reading.preparation import texts_of
from rnnjax.tasks.reading.reading_model import ReadingModel
from rnnjax.tasks.reading.sources import Splits, kinds_of
from rnnjax.training import atomic_files
from rnnjax.training.reporting.progress import aligned
from rnnjax.visuals import signed_colour
from rnnjax.visuals.figures import as_png, new_figure
from rnnjax.visuals.page import Section, escape, note, render_page, wide_table

OUTPUTS = (".jsonl", ".html")
MOST_ERRORS = 30
SHOWN = 6
"""Stories in the picture."""

TYPICAL = 8
"""Sentences of a story that is shown, about."""


def scores_by_kind(
    questions: Sequence[Question], answered: Sequence[Answered], frequent: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """The scores of each kind, in the order of `kinds_of`; at last those of all, the mean of the
    kinds.

    Args:
        questions: one or more, with answers.
        frequent: see `rnnjax.metrics.answers`.

    Returns:
        `num_questions`, and in percent: `accuracy`; `baseline`, right answers of one who always
        says what is most frequent in training; `facts`, of the sentences that answers follow from,
        those that a hop attends to most: the mean over the questions with facts, nan without any.
    """
    scores: dict[str, dict[str, float]] = {}
    pairs = list(zip(questions, answered, strict=True))
    for kind in kinds_of(questions):
        its = [(one, said) for one, said in pairs if one.kind == kind]
        scores[kind] = {
            "num_questions": len(its),
            "accuracy": 100 * _mean([one.answer == said.answer for one, said in its]),
            "baseline": 100 * _mean([one.answer == frequent.get(kind) for one, _ in its]),
            "facts": 100 * _mean([_facts_found(one, said) for one, said in its]),
        }
    kinds = list(scores.values())
    means = {name: _mean([its[name] for its in kinds]) for name in kinds[0]}
    scores["mean"] = means | {"num_questions": len(pairs)}
    return scores


def _facts_found(question: Question, answered: Answered) -> float:
    if not question.facts or not len(answered.attention):
        return float("nan")
    return float(np.isin(question.facts, answered.attention.argmax(axis=1)).mean())


def _mean(values: Sequence[float]) -> float:
    """The mean of those that are not nan; nan where all are."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def report_scores(
    model: ReadingModel, splits: Splits, split: str, folder: Path
) -> tuple[str, list[Section]]:
    """Writes `scores_SPLIT.json` and `attention_SPLIT.png` into a folder.

    Args:
        splits: the one to be scored, and `train`, which decides what the baseline says.

    Returns:
        A table for the terminal, and sections of a report.
    """
    questions, answered = splits[split], model.answer(splits[split])
    answers = [one.answer for one in questions]
    for line in model.vocabulary.notes(split, texts_of(questions), answers):
        training.say(line)
    scores = scores_by_kind(questions, answered, frequent_answers(splits["train"]))
    mean = scores["mean"]
    title = f"{split}: {mean['accuracy']:.2f}% of the answers right, mean over kinds"
    table = _table(scores)
    text = f"{title}; facts found {_percent(mean['facts'])}\n{table}"
    png = draw_stories(*_typical(questions, answered)) if model.model.hops else b""
    pictures = {f"attention_{split}.png": png} if png else {}
    path = training.write_results(folder, {f"scores_{split}.json": scores, **pictures})
    explained = note(
        "Most frequent: the answer that is most frequent in training, for each kind. Facts found: "
        "of the sentences that an answer follows from, those that some hop attends to most."
    )
    sections = [Section(title, table=table, html=explained)]
    if png:
        sections.append(Section(f"What each hop attends to, {split}; *: a fact", png=png))
    return f"{text}\n{path}", sections


def errors_section(
    questions: Sequence[Question], answered: Sequence[Answered], limit: int = MOST_ERRORS
) -> Section:
    """The questions that are answered wrongly, the most confident errors first."""
    wrong = [
        pair for pair in zip(questions, answered, strict=True) if pair[0].answer != pair[1].answer
    ]
    wrong.sort(key=lambda pair: -pair[1].probability)
    title = f"{len(wrong):,} of {len(questions):,} answers wrong, the most confident first"
    if len(wrong) > limit:
        title += f"; shown: the first {limit:,}"
    return Section(title, html="".join(story_table(*pair) for pair in wrong[:limit]))


def story_table(question: Question, said: Answered) -> str:
    """HTML of a story, a row a sentence, shaded by the attention of each hop."""
    true = f" (true: {escape(question.answer)})" if question.answer else ""
    rows = []
    for n, text in enumerate(question.story):
        mark = "* " if n in question.facts else ""
        cells = "".join(
            f'<td class="number" style="background:{signed_colour(weight)}">{weight:.2f}</td>'
            for weight in said.attention[:, n].tolist()
        )
        rows.append(f'<tr><td class="words">{mark}{escape(text)}</td>{cells}</tr>')
    hops = range(1, 1 + len(said.attention))
    head = f"{escape(question.text)} <b>{escape(said.answer)}</b> {said.probability:.0%}{true}"
    return f"<p>{head}</p>{wide_table(['story', *(f'hop {n}' for n in hops)], rows, {*hops})}"


def report_predictions(
    model: ReadingModel, questions: Sequence[Question], output: str | None
) -> str:
    """Writes answers to a file, or returns them for the terminal, a line a question.

    Args:
        questions: one or more.
        output: a path that ends in one of `OUTPUTS`; None: none.

    Raises:
        UserError: a question or story has no word, or the file cannot be written.
    """
    pairs = list(zip(questions, model.answer(questions), strict=True))
    if limit := model.limit:
        longer = sum(len(one.story) > limit for one in questions)
        if longer:
            training.say(
                f"{longer:,} of {len(questions):,} stories are longer than {limit} sentences: "
                "the latest are read"
            )
    if output is None:
        return "\n".join(
            "\t".join([f"{said.answer} ({said.probability:.1%})", one.text, *looked_at(one, said)])
            for one, said in pairs
        )
    if output.endswith(".jsonl"):
        content = atomic_files.as_json_lines(
            {"story": one.story, "question": one.text, "answer": said.answer}
            | {"probability": said.probability, "attention": said.attention.tolist()}
            for one, said in pairs
        )
    else:
        section = Section("Stories", html="".join(story_table(*pair) for pair in pairs))
        content = render_page("Reading", counted(len(pairs), "question"), {}, [section])
    atomic_files.write_text(Path(output), content)
    return f"{counted(len(pairs), 'question')}: {output}"


def looked_at(question: Question, said: Answered) -> list[str]:
    """The sentence that each hop attends to most, once each, in the order of the hops."""
    return list(dict.fromkeys(question.story[n] for n in said.attention.argmax(axis=1).tolist()))


def draw_stories(questions: Sequence[Question], answered: Sequence[Answered]) -> bytes:
    """Draws stories, a row a sentence, shaded by the attention of each hop; a PNG file."""
    columns = 2 if len(questions) > 1 else 1
    rows = -(-len(questions) // columns)
    longest = max(len(one.story) for one in questions)
    figure = new_figure(5.6 * columns, (0.22 * longest + 0.75) * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(questions) :]:
        axes.set_axis_off()
    for axes, one, said in zip(grid, questions, answered, strict=False):
        axes.imshow(said.attention.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        labels = [
            f"{text} *" if n in one.facts else f"{text}  " for n, text in enumerate(one.story)
        ]
        axes.set_yticks(range(len(labels)), labels, fontsize=8, parse_math=False)
        axes.set_xticks(
            range(len(said.attention)), [f"hop {n + 1}" for n in range(len(said.attention))]
        )
        axes.tick_params(length=0, labelsize=8)
        right = "right" if said.answer == one.answer else f"true: {one.answer}"
        axes.set_title(
            f"{one.text} {said.answer} ({right})", fontsize=9, loc="right", parse_math=False
        )
    return as_png(figure, "dark: attention of a hop; *: a fact, from which the answer follows")


def _typical(
    questions: Sequence[Question], answered: Sequence[Answered]
) -> tuple[list[Question], list[Answered]]:
    """A question of each of the first kinds, about stories of about `TYPICAL` sentences."""
    pairs = sorted(
        zip(questions, answered, strict=True), key=lambda pair: abs(len(pair[0].story) - TYPICAL)
    )
    chosen = []
    for n, kind in enumerate(kinds_of(questions)[:SHOWN]):
        of_kind = [pair for pair in pairs if pair[0].kind == kind]
        chosen.append(of_kind[n % len(of_kind)])  # The first ones may be about the same story.
    return [one for one, _ in chosen], [said for _, said in chosen]


def _table(scores: Mapping[str, Mapping[str, float]]) -> str:
    heads = ("kind", "questions", "right", "most frequent", "facts found")
    numbers = {kind: [*its.values()] for kind, its in scores.items()}
    rows = [(kind, f"{n:,}", *map(_percent, rest)) for kind, (n, *rest) in numbers.items()]
    return aligned([heads, *rows], numbers=range(1, 5))


def _percent(share: float) -> str:
    return "-" if share != share else f"{share:.1f}%"
