"""Stories with questions, in the text format of the bAbI tasks or in tables.

1 Mary moved to the hallway.
2 Mary took the football there.
3 What is Mary carrying?<TAB>football<TAB>2

A line has a number, which is 1 where a story begins, and a sentence; or a question, its answer and
the numbers of the sentences that the answer follows from. A question is about all sentences above
it. Several answers are one, as `football,milk`. A table has the columns story, question and answer.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from rnnjax.data.examples import SUFFIXES, numbered_lines, read_examples, suffix_of
from rnnjax.data.question_vocabulary import words_of
from rnnjax.errors import UserError

_NUMBERED = re.compile(r"\s*(\d+)\s+(.*\S)\s*")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\s*\n\s*")


class Question(NamedTuple):
    """A question about a story.

    Attributes:
        story: the sentences above it, as they were written.
        text: the question.
        answer: to it; empty: not known.
        facts: which sentences the answer follows from, counted from 0; none: not known.
        story_number: which story of its source; the questions of a story have the same.
        place: where it is, `FILE:LINE`.
        kind: what scores are counted by.
    """

    story: tuple[str, ...]
    text: str
    answer: str = ""
    facts: tuple[int, ...] = ()
    story_number: int = 0
    place: str = ""
    kind: str = ""


def sentences_of(text: str) -> tuple[str, ...]:
    """The sentences of a text: what ends in a full stop, in `!`, in `?` or with its line."""
    return tuple(one for one in _SENTENCE_END.split(text.strip()) if words_of(one))


def with_latest(question: Question, limit: int | None) -> Question:
    """A question about the latest sentences of its story, `limit` at most; None: about all.

    References:
        Sukhbaatar et al. 2015, "End-to-end memory networks", whose memory holds the latest 50
        sentences.
    """
    cut = 0 if limit is None else max(0, len(question.story) - limit)
    facts = tuple(fact - cut for fact in question.facts if fact >= cut)
    return question._replace(story=question.story[cut:], facts=facts)


def read_questions(path: str, *, answered: bool = True, encoding: str = "utf-8") -> list[Question]:
    """The questions of a file; lines of white space are skipped.

    Args:
        path: of the file, plain or .gz; -: stdin. A .tsv, .csv or .jsonl file is a table.
        answered: every question has an answer. False: it may lack one, and is then a line that
            ends in a question mark, or a row of a table, whose answers are not read.

    Raises:
        UserError: it cannot be read, a line has another form, a question has no sentence above it
            or no answer, or a story has no question.
    """
    if suffix_of(path) in SUFFIXES:
        return _of_table(path, answered, encoding)
    questions: list[Question] = []
    story: dict[int, str] = {}
    number = stories = 0
    begin = place = ""
    for place, line in numbered_lines(path, encoding=encoding):
        found = _NUMBERED.fullmatch(line.partition("\t")[0] + " ")
        if found is None:
            raise UserError(
                f"{place}: expected the lines of a bAbI file, a number and a sentence such as '1 "
                f"Mary moved to the hallway.'; got {line[:40]!r}"
            )
        last, number = number, int(found[1])
        if number == 1:
            _check_asked(questions, stories, begin)
            story, begin, stories = {}, place, stories + 1
        elif number <= last or not stories:
            raise UserError(
                f"{place} has the number {number} after {last}: expected a larger one, or 1 where "
                "a story begins"
            )
        text, *cells = (found[2], *line.split("\t")[1:])
        if not words_of(text):
            raise UserError(f"{place} has no word: got {text[:40]!r}")
        if not cells and not text.endswith("?"):
            story[number] = text
            continue
        if not story:
            raise UserError(f"{place}: the question has no story: no sentence stands above it")
        answer = cells[0].lower().strip() if cells else ""
        if answered and not answer:
            raise UserError(f"{place}: the question has no answer: expected it behind a tab")
        facts = _facts(cells[1] if len(cells) > 1 else "", list(story), place)
        questions.append(Question((*story.values(),), text, answer, facts, stories, place))
    _check_asked(questions, stories, begin)
    if not questions:
        raise UserError(f"{path} has no stories: it is empty")
    return questions


def _of_table(path: str, answered: bool, encoding: str) -> list[Question]:
    """The questions of the rows of a table; those about the same text have the same story."""
    names = ("story", "question", "answer") if answered else ("story", "question")
    numbers: dict[tuple[str, ...], int] = {}
    questions = []
    for fields, place in read_examples(
        path, dict(zip(names, names, strict=True)), encoding=encoding
    ):
        story, text = sentences_of(fields["story"]), fields["question"].strip()
        answer = fields.get("answer", "").lower().strip()
        if not story:
            raise UserError(f"{place}: the question has no story: its story has no sentence")
        if not words_of(text):
            raise UserError(f"{place} has no question: got {text[:40]!r}")
        if answered and not answer:
            raise UserError(f"{place}: the question has no answer")
        number = numbers.setdefault(story, len(numbers) + 1)
        questions.append(Question(story, text, answer, story_number=number, place=place))
    return questions


def _check_asked(questions: Sequence[Question], stories: int, begin: str) -> None:
    """Raises UserError unless the last story has a question."""
    if stories and (not questions or questions[-1].story_number != stories):
        raise UserError(f"{begin}: the story that begins here has no question")


def _facts(text: str, numbers: list[int], place: str) -> tuple[int, ...]:
    facts = []
    for word in text.split():
        if not word.isdigit() or int(word) not in numbers:
            raise UserError(
                f"{place}: expected numbers of sentences above as facts; got {word[:40]!r}"
            )
        facts.append(numbers.index(int(word)))
    return tuple(facts)
