"""Sentences with predicted tags, and their file formats."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from rnnjax.tasks.tagging.conll import write_conll
from rnnjax.tasks.tagging.schemes import spans_of
from rnnjax.tasks.tagging.sentences import Sentence


class TaggedSentence(NamedTuple):
    """A sentence with the tags that a model gave it.

    Attributes:
        tokens: of the sentence.
        tags: predicted, BIO, one a token.
        scores: the probability of each span of the tags, 0 to 1, in the order of the text.
        gold: the true tags, BIO; None where they are not known.
        source: where the sentence is, `FILE:LINE`.
        text: what the tokens were cut from; None where they came as tokens.
        offsets: start and end (not included) of each token, in characters of `text`.
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    scores: tuple[float, ...]
    gold: tuple[str, ...] | None
    source: str
    text: str | None = None
    offsets: tuple[tuple[int, int], ...] | None = None


def as_conll(sentences: Sequence[TaggedSentence]) -> str:
    """A column file: token, gold tag if all sentences have one, predicted tag, separated by tabs.

    With gold tags the scorer conlleval reads it (`conlleval -d '\\t'`).

    Args:
        sentences: one or more.

    Raises:
        UserError: a token cannot be written to a column.
    """
    columns = [[sentence.tags for sentence in sentences]]
    gold = [sentence.gold for sentence in sentences if sentence.gold is not None]
    if len(gold) == len(sentences):
        columns.insert(0, gold)
    plain = [Sentence(s.tokens, s.tags, s.source, document=0) for s in sentences]
    return write_conll(plain, columns)


def as_jsonl(sentences: Iterable[TaggedSentence]) -> str:
    """A line of JSON a sentence: `{"tokens": [...], "entities": [...]}`.

    An entity has `start` and `end` (not included) in tokens, `type`, `text` and `score`. Where the
    text of the sentence is known the line has it as `text`, and entities have `start_char` and
    `end_char` in it.

    Args:
        sentences: any number.
    """
    return "".join(
        json.dumps(_record(sentence), ensure_ascii=False, allow_nan=False) + "\n"
        for sentence in sentences
    )


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
