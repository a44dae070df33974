"""Sentences with their entities marked, as HTML."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from rnnjax.tasks.tagging.schemes import Span
from rnnjax.visuals.page import escape

GOLDEN_ANGLE = 137.508


class Tagged(Protocol):
    """What a page needs to know of a sentence (`predictions.TaggedSentence`)."""

    @property
    def tokens(self) -> Sequence[str]:
        """Of the sentence."""

    @property
    def tags(self) -> Sequence[str]:
        """Predicted, one a token, in any scheme."""

    @property
    def scores(self) -> Sequence[float]:
        """The probability of each span that the tags mark."""

    @property
    def gold(self) -> Sequence[str] | None:
        """The true tags, if they are known."""

    @property
    def source(self) -> str:
        """Where the sentence stands."""

    @property
    def text(self) -> str | None:
        """What the tokens were cut from, if it is known."""

    @property
    def offsets(self) -> Sequence[tuple[int, int]] | None:
        """Start and end of each token in the text."""


def hues_of(types: Iterable[str]) -> dict[str, int]:
    """A hue in degrees for each of the types, sorted; neighbours lie far apart."""
    return {kind: round(210 + n * GOLDEN_ANGLE) % 360 for n, kind in enumerate(sorted(set(types)))}


def mark(words: str, kind: str, hue: int | None, hint: str) -> str:
    """Words on the colour of a type, with its name behind them.

    Args:
        words: shown.
        kind: the type.
        hue: of its colour, in degrees; None: faintly, without colour.
        hint: shown while the pointer rests on them.
    """
    style = ' class="faint"' if hue is None else f' style="--hue:{hue}"'
    return f'<mark{style} data-type="{escape(kind)}" title="{escape(hint)}">{escape(words)}</mark>'


def marked(
    sentence: Tagged,
    hints: Mapping[Span, str],
    hues: Mapping[str, int],
    *,
    window: slice = slice(None),
    strong: Collection[Span] | None = None,
) -> str:
    """HTML of a sentence, as it was written if that is known, with spans marked.

    Args:
        sentence: without regard to its tags.
        hints: for each span to be marked what is shown while the pointer rests on it.
        hues: of the types of the strong spans.
        window: which tokens are shown.
        strong: the spans to be looked at; others have no colour. None: all.
    """
    here, stop, _ = window.indices(len(sentence.tokens))
    parts = ["… "] if here > 0 else []
    for span in sorted(hints):
        start, end = max(span.start, here), min(span.end, stop)
        if start < end:
            parts.append(escape(_words(sentence, here, start)))
            words = _words(sentence, start, end).rstrip()
            hue = hues[span.type] if strong is None or span in strong else None
            parts.append(mark(words, span.type, hue, hints[span]))
            parts.append(escape(_words(sentence, start, end)[len(words) :]))
            here = end
    parts.append(escape(_words(sentence, here, stop)))
    return "".join(parts) + ("…" if stop < len(sentence.tokens) else "")


def _words(sentence: Tagged, start: int, end: int) -> str:
    """The tokens from `start` to `end` with all up to the next token."""
    if sentence.text is None or sentence.offsets is None:
        return "".join(f"{token} " for token in sentence.tokens[start:end])
    begins = [*(place[0] for place in sentence.offsets), sentence.offsets[-1][1]]
    return sentence.text[begins[start] : begins[end]]
