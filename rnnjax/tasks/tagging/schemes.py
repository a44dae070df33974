"""Tagging schemes, which write spans of tokens as one tag a token: BIO, IOB1 and BIOES."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from rnnjax.errors import UserError
from rnnjax.heads.crf import Constraints

Scheme = Literal["BIO", "IOB1", "BIOES"]
"""How tags mark the spans of entities.

BIO (also called IOB2): B- begins every span, I- continues it. IOB1: I- everywhere, B- only where a
span directly follows another of its own type. BIOES: B- begins, I- continues, E- ends, S- is a span
of one.
"""

SYNONYMS = {"L": "E", "U": "S", "M": "I", "W": "S"}
"""Prefixes of BILOU and BMEWO, in the letters of BIOES."""

OUTSIDE = "O"

PREFIXES = {"BIO": "OBI", "IOB1": "OBI", "BIOES": "OBIES"}
"""The prefixes of the tags of each scheme."""


class Span(NamedTuple):
    """An entity: tokens `start` to `end`, the latter not included."""

    start: int
    end: int
    type: str


def prefix_and_type(tag: str) -> tuple[str, str]:
    """The parts of a tag, `("B", "PER")` of `B-PER` and `("O", "")` of `O`.

    Raises:
        UserError: it is no tag of any scheme.
    """
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, hyphen, kind = tag.partition("-")
    prefix = SYNONYMS.get(prefix, prefix)
    if not hyphen or not kind or prefix not in ("B", "I", "E", "S"):
        raise UserError(
            f"{tag!r} is no tag: expected O, or B-, I-, E- or S- and a type, such as B-PER"
        )
    return prefix, kind


def is_tag(word: str) -> bool:
    """Whether a word is a tag of any scheme."""
    try:
        prefix_and_type(word)
    except UserError:
        return False
    return True


def spans_of(tags: Sequence[str]) -> list[Span]:
    """The spans of tags of any scheme, by the rules of conlleval.

    A span begins at B- and S-, and at any other tag that does not follow one of its own type: an
    I-PER after O or B-LOC begins a span too. It ends before the next beginning or O, and after E-
    and S-.

    Raises:
        UserError: something is no tag.

    References:
        Tjong Kim Sang & Buchholz 2000, the scorer `conlleval` of the CoNLL-2000 shared task.
    """
    spans = []
    start = 0
    before, kind_before = OUTSIDE, ""
    for n, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = prefix_and_type(tag)
        new = prefix in ("B", "S") or before in (OUTSIDE, "E", "S") or kind != kind_before
        if before != OUTSIDE and (new or prefix == OUTSIDE):
            spans.append(Span(start, n, kind_before))
        if new:
            start = n
        before, kind_before = prefix, kind
    return spans


def tags_of(spans: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """Writes spans that do not overlap, in any order, as the tags of a sentence."""
    tags = [OUTSIDE] * length
    for start, end, kind in sorted(spans):
        prefixes = ["B"] + ["I"] * (end - start - 1)
        if scheme == "IOB1" and (start == 0 or prefix_and_type(tags[start - 1])[1] != kind):
            prefixes[0] = "I"
        elif scheme == "BIOES":
            prefixes[-1] = "S" if end - start == 1 else "E"
        tags[start:end] = [f"{prefix}-{kind}" for prefix in prefixes]
    return tags


def may_follow(before: str | None, after: str | None, scheme: Scheme) -> bool:
    """Whether a scheme allows one tag right after another.

    Args:
        before: a tag; None: the sentence begins.
        after: a tag; None: the sentence ends.
        scheme: the rules.

    Raises:
        UserError: something is no tag of any scheme.
    """
    prefix, kind = prefix_and_type(OUTSIDE if before is None else before)
    next_prefix, next_kind = prefix_and_type(OUTSIDE if after is None else after)
    if next_prefix not in PREFIXES[scheme]:
        return False
    same = kind == next_kind
    if scheme == "IOB1":
        return next_prefix != "B" or same
    if scheme == "BIO":
        return next_prefix != "I" or same
    open_span = prefix in ("B", "I")
    return open_span == (next_prefix in ("I", "E")) and (same or not open_span)


def faults(tags: Sequence[str], scheme: Scheme) -> list[int]:
    """The positions of tags that the scheme does not allow after the one before.

    A sentence that ends inside a span (BIOES) has its fault at `len(tags)`.
    """
    ends: list[str | None] = [None]
    return [
        n
        for n, (before, after) in enumerate(zip(ends + list(tags), list(tags) + ends, strict=True))
        if not may_follow(before, after, scheme)
    ]


def scheme_of(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme that the tags of a file are written in.

    BIOES if there is any E- or S-. Otherwise IOB1 if spans begin with I- and no B- is where IOB1
    does not allow it; otherwise BIO, in which a misplaced I- is a fault.
    """
    begins_inside = misplaced = False
    for tags in sentences:
        if any(prefix_and_type(tag)[0] in ("E", "S") for tag in tags):
            return "BIOES"
        begins_inside = begins_inside or bool(faults(tags, "BIO"))
        misplaced = misplaced or bool(faults(tags, "IOB1"))
    return "IOB1" if begins_inside and not misplaced else "BIO"


def scheme_constraints(tags: Sequence[str], scheme: Scheme) -> Constraints:
    """The transitions that a scheme allows between K tags, such as `("O", "B-PER", "I-PER")`."""
    return Constraints(
        transitions=np.array([[may_follow(i, j, scheme) for j in tags] for i in tags], bool),
        start=np.array([may_follow(None, tag, scheme) for tag in tags], bool),
        end=np.array([may_follow(tag, None, scheme) for tag in tags], bool),
    )
