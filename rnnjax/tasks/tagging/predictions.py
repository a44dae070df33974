"""Sentences with predicted tags, and their file formats."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rnnjax.errors import UserError
from rnnjax.tasks.tagging.conll import DOCUMENT_START
from rnnjax.tasks.tagging.schemes import spans_of
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.training.atomic_files import as_json_lines

_NOT_IN_COLUMNS = re.compile(rf"[\t\r\n]|^ *$|^ | $|^{DOCUMENT_START}")


@dataclass(frozen=True, kw_only=True)
class TaggedSentence(Sentence):
    """A sentence with the tags that a model gave it, BIO.

    Attributes:
        scores: the probability of each span of the tags, 0 to 1, in the order of the text.
        gold: the true tags, BIO; None where they are not known.
    """

    scores: tuple[float, ...]
    gold: tuple[str, ...] | None


def as_conll(sentences: Sequence[TaggedSentence]) -> str:
    """A column file: token, gold tag if all sentences have one, predicted tag, separated by tabs.

    `read_conll` reads it back, and with gold tags the scorer conlleval (`conlleval -d '\\t'`).

    Raises:
        UserError: a token cannot be written to a column.
    """
    with_gold = all(sentence.gold is not None for sentence in sentences)
    lines = []
    for sentence in sentences:
        gold = [sentence.gold or ()] if with_gold else []
        for row in zip(sentence.tokens, *gold, sentence.tags, strict=True):
            if (wrong := next(filter(_NOT_IN_COLUMNS.search, row), None)) is not None:
                raise UserError(
                    f"{sentence.source}: {wrong!r} cannot stand in a column file: expected "
                    f"text without tabs, line ends or spaces around it, and no {DOCUMENT_START}"
                )
            lines.append("\t".join(row))
        lines.append("")
    return "".join(f"{line}\n" for line in lines)


def as_jsonl(sentences: Iterable[TaggedSentence]) -> str:
    """A line of JSON a sentence: `{"tokens": [...], "entities": [...]}`.

    An entity has `start` and `end` (not included) in tokens, `type`, `text` and `score`. Where the
    text of the sentence is known the line has it as `text`, and entities have `start_char` and
    `end_char` in it.
    """
    return as_json_lines(map(_record, sentences))


def _record(sentence: TaggedSentence) -> dict[str, Any]:
    record: dict[str, Any] = {"tokens": list(sentence.tokens), "entities": []}
    for (start, end, kind), score in zip(spans_of(sentence.tags), sentence.scores, strict=True):
        entity = {"start": start, "end": end, "type": kind}
        score = round(float(score), 6)
        if sentence.text is None or sentence.offsets is None:
            entity |= {"text": " ".join(sentence.tokens[start:end]), "score": score}
        else:
            first, last = sentence.offsets[start][0], sentence.offsets[end - 1][1]
            entity |= {"text": sentence.text[first:last], "score": score}
            entity |= {"start_char": first, "end_char": last}
        record["entities"].append(entity)
    return record if sentence.text is None else {"text": sentence.text, **record}
