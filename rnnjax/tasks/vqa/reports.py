"""Scores by kind of question, and pictures of where the network looked for each answer."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from rnnjax import training
from rnnjax.errors import counted
from rnnjax.metrics.answers import Answered, frequent_answers
from rnnjax.tasks.vqa.questions import AskedImage, Question, Splits, questions_of
from rnnjax.tasks.vqa.vqa_model import VqaModel
from rnnjax.training import atomic_files
from rnnjax.training.reporting.progress import aligned
from rnnjax.visuals.attention import draw_attention_over_image
from rnnjax.visuals.page import Section, escape, note, picture, render_page

OUTPUTS = (".jsonl", ".html")
MOST_SHOWN = 24
"""Errors, and right answers, on the page of an inspection."""

LIGHT = "The brighter a place, the more a hop looked at it."


class Pair(NamedTuple):
    """A question about an image, and what a model says."""

    image: AskedImage
    question: Question
    said: Answered

    @property
    def right(self) -> bool:
        """Whether the answer is the known one."""
        return self.said.answer == self.question.answer


def pairs_of(model: VqaModel, images: Sequence[AskedImage]) -> list[Pair]:
    """Asks a model all questions about some images."""
    asked = [(one, question) for one in images for question in one.questions]
    return [Pair(*one, said) for one, said in zip(asked, model.answer(images), strict=True)]


def scores_by_kind(pairs: Sequence[Pair], frequent: Mapping[str, str]) -> dict[str, dict]:
    """The scores of each kind, by name, and at last those of all questions.

    Args:
        pairs: one or more, with known answers.
        frequent: see `rnnjax.metrics.answers.frequent_answers`.

    Returns:
        `questions`, how many there are; and in percent `accuracy`, and `baseline`, right answers of
        one who always says what is most frequent in training.
    """
    scores = {}
    for kind in [*sorted({one.question.kind for one in pairs}), "all"]:
        its = [one for one in pairs if kind in ("all", one.question.kind)]
        guessed = [one.question.answer == frequent.get(one.question.kind) for one in its]
        scores[kind] = {
            "questions": len(its),
            "accuracy": 100 * float(np.mean([one.right for one in its])),
            "baseline": 100 * float(np.mean(guessed)),
        }
    return scores


def report_scores(
    model: VqaModel, splits: Splits, split: str, folder: Path
) -> tuple[str, list[Section]]:
    """Writes `scores_SPLIT.json` and `attention_SPLIT.png` into a folder.

    Args:
        splits: the one to be scored, and `train`, which decides what the baseline says.

    Returns:
        A table for the terminal, and sections of a report.
    """
    pairs = pairs_of(model, splits[split])
    texts, answers = zip(*((one.question.text, one.question.answer) for one in pairs), strict=True)
    for line in model.vocabulary.notes(split, texts, answers):
        training.say(line)
    scores = scores_by_kind(pairs, frequent_answers(questions_of(splits["train"])))
    shown = _one_of_each_kind(pairs)
    pictures = {f"attention_{split}.png": draw_pairs(shown)} if model.model.hops else {}
    path = training.write_results(folder, {f"scores_{split}.json": scores, **pictures})
    title = f"{split}: {scores['all']['accuracy']:.2f}% of the answers right"
    explained = note("Most frequent: the most frequent answer in training, for each kind.")
    table = _table(scores)
    sections = [
        Section(title, table=table, html=explained),
        Section(f"Where it looked, {split}", html=note(LIGHT) + "".join(map(figure_of, shown))),
    ]
    return f"{title}\n{table}\n{path}", sections


def inspect_page(pairs: Sequence[Pair], split: str) -> tuple[str, str]:
    """A page of errors, the most confident first, and of right answers of each kind; its title."""
    wrong = sorted((p for p in pairs if not p.right), key=lambda pair: -pair.said.probability)
    title = f"{len(wrong):,} of {len(pairs):,} answers wrong"
    right = [one for one in pairs if one.right]
    every = max(1, len(right) // MOST_SHOWN)
    sections = [
        Section(f"{heading}; shown: {min(len(its), MOST_SHOWN)}",
                html=note(LIGHT) + "".join(map(figure_of, its[:MOST_SHOWN])))
        for heading, its in ((f"{title}, the most confident first", wrong),
                             (f"{len(right):,} answers right", right[::every]))
        if its
    ]  # fmt: skip
    return render_page("Where the network looked", split, {}, sections), title


def report_predictions(
    model: VqaModel, images: Sequence[AskedImage], output: str | None, places: Sequence[str] = ()
) -> str:
    """Writes answers to a file, or returns them for the terminal, a line a question.

    Args:
        output: a path that ends in one of `OUTPUTS`; None: none.
        places: of the questions, in the order that answers shall have; empty: image by image.

    Raises:
        UserError: a question has no word, or the file cannot be written.
    """
    rank = {place: n for n, place in enumerate(places)}
    pairs = sorted(pairs_of(model, images), key=lambda one: rank.get(one.question.place, 0))
    if output is None:
        return "\n".join(
            f"{one.said.answer} ({one.said.probability:.1%})\t{one.question.text}\t{one.image.name}"
            for one in pairs
        )
    if output.endswith(".jsonl"):
        content = atomic_files.as_json_lines(
            {"image": one.image.name, "question": one.question.text}
            | {"answer": one.said.answer, "probability": one.said.probability}
            | {"attention": one.said.attention.tolist()}
            for one in pairs
        )
    else:
        section = Section("Answers", html=note(LIGHT) + "".join(map(figure_of, pairs)))
        number = counted(len(pairs), "question")
        content = render_page("Questions about images", number, {}, [section])
    atomic_files.write_text(Path(output), content)
    return f"{counted(len(pairs), 'question')}: {output}"


def figure_of(one: Pair) -> str:
    """HTML of an image, lit where each hop looked, with question and answer below it."""
    said, answer = one.said, one.question.answer
    mark = "" if not answer else " ✓" if one.right else f" ✗ (true: {escape(answer)})"
    text = f"{escape(one.question.text)} <b>{escape(said.answer)}</b> {said.probability:.0%}{mark}"
    shown = picture(one.question.text, _picture_of(one))
    return f"<figure>{shown}<figcaption>{text}{note(one.image.name)}</figcaption></figure>"


def draw_pairs(pairs: Sequence[Pair]) -> bytes:
    """Draws images lit where each hop looked, in two columns; a PNG file."""
    panels = [Image.open(io.BytesIO(_picture_of(one, titled=True))) for one in pairs]
    width, height = (max(sizes) for sizes in zip(*(one.size for one in panels), strict=True))
    columns = min(2, len(panels))
    canvas = Image.new("RGB", (columns * width, -(-len(panels) // columns) * height), "white")
    for n, panel in enumerate(panels):
        canvas.paste(panel, (n % columns * width, n // columns * height))
    png = io.BytesIO()
    canvas.save(png, "png")
    return png.getvalue()


def _picture_of(one: Pair, titled: bool = False) -> bytes:
    said, answer = one.said, one.question.answer
    hops = [f"hop {n}" for n in range(1, 1 + len(said.attention))]
    maps = said.attention if hops else np.zeros((0, 1, 1))
    title = f"{one.question.text} {said.answer}" + f" (true: {answer})" * (not one.right)
    return draw_attention_over_image(one.image.image, hops, maps, title=title if titled else "")


def _one_of_each_kind(pairs: Sequence[Pair]) -> list[Pair]:
    """A right answer of each kind where there is one, about different images as far as possible."""
    chosen: list[Pair] = []
    for kind in sorted({one.question.kind for one in pairs}):
        its = [one for one in pairs if one.question.kind == kind]
        used = {one.image.name for one in chosen}
        chosen.append(max(its, key=lambda one: (one.right, one.image.name not in used)))
    return chosen


def _table(scores: Mapping[str, dict]) -> str:
    heads = ("kind", "questions", "right", "most frequent")
    rows = [
        (kind, f"{its['questions']:,}", f"{its['accuracy']:.1f}%", f"{its['baseline']:.1f}%")
        for kind, its in scores.items()
    ]
    return aligned([heads, *rows], numbers=range(1, 4))
