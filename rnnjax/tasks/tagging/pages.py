"""HTML pages about tagged sentences: entities in colour, scores and errors."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from rnnjax.tasks.tagging.entity_scores import EntityScores, SpanError, span_errors
from rnnjax.tasks.tagging.predictions import TaggedSentence
from rnnjax.tasks.tagging.schemes import Span, spans_of
from rnnjax.visuals.page import Section, escape, number_cell, render_page, wide_table

CONTEXT = 12
"""Tokens shown on either side of an error."""

GOLDEN_ANGLE = 137.508


def spans_page(sentences: Sequence[TaggedSentence]) -> str:
    """A page of sentences with the predicted entities in the colours of their types.

    The probability of an entity is shown while the pointer rests on it.

    Args:
        sentences: at least one, in the order in which they are shown.
    """
    counts = Counter(span.type for sentence in sentences for span in spans_of(sentence.tags))
    hues = hues_of(counts)
    legend = "".join(_mark(f"{counts[kind]:,}", kind, hue, kind) for kind, hue in hues.items())
    items = (
        f'<li title="{escape(sentence.source)}">{_marked(sentence, _hints(sentence), hues)}</li>'
        for sentence in sentences
    )
    body = f'<p class="legend">{legend}</p><ol class="sentences">{"".join(items)}</ol>'
    cards = {
        "sentences": f"{len(sentences):,}",
        "tokens": f"{sum(len(sentence.tokens) for sentence in sentences):,}",
        "entities": f"{counts.total():,}",
    }
    file = sentences[0].source.rpartition(":")[0]
    return render_page("Entities", file, cards, [Section("Sentences", html=body)])


def scores_section(scores: EntityScores, title: str = "Scores") -> Section:
    """A table of precision, recall and F1 in percent, of each type and of all."""
    rows: list[str] = []
    for name, (precision, recall, f1, support) in scores.by_name().items():
        row = "<tr>" if len(rows) < len(scores.per_type) else '<tr class="total">'
        rows.append(
            f"{row}<td>{escape(name)}</td>{number_cell(f'{100 * precision:.2f}')}"
            f"{number_cell(f'{100 * recall:.2f}')}"
            f'<td class="number bar" style="--part:{f1:.1%}">{100 * f1:.2f}</td>'
            f"{number_cell(f'{support:,}')}</tr>"
        )
    heads = ("", "precision", "recall", "F1", "entities")
    accuracy = f'<p class="soft">Token accuracy {100 * scores.token_accuracy:.2f}</p>'
    return Section(title, html=wide_table(heads, rows, numbers=range(1, 5)) + accuracy)


def errors_section(sentences: Sequence[TaggedSentence], limit: int = 200) -> Section:
    """A table of errors with the words around them, the most confident first.

    Missed entities, for which the model has no probability, come last.

    Args:
        sentences: those without gold tags are left out.
        limit: at most so many errors are shown.

    Raises:
        UserError: a sentence has more or fewer gold than predicted tags.
    """
    judged = [sentence for sentence in sentences if sentence.gold is not None]
    errors = span_errors([one.gold or () for one in judged], [one.tags for one in judged])
    probabilities = [_probabilities(sentence) for sentence in judged]
    found = [
        (error, None if error.predicted is None else probabilities[error.sentence][error.predicted])
        for error in errors
    ]
    found.sort(key=lambda pair: 1.0 if pair[1] is None else -pair[1])
    kinds = Counter(error.kind for error in errors).most_common()
    summary = ", ".join(f"{count:,} {kind}" for kind, count in kinds) or "none"
    if len(errors) > limit:
        summary += f"; shown: the first {limit:,}"
    hues = hues_of(span.type for error in errors for span in (error.gold, error.predicted) if span)
    rows = (_error_row(judged[error.sentence], error, p, hues) for error, p in found[:limit])
    table = wide_table(("error", "probability", "", "source"), rows, (1,)) if errors else ""
    return Section("Errors", html=f'<p class="soft">{escape(summary)}</p>{table}')


def _error_row(
    sentence: TaggedSentence, error: SpanError, probability: float | None, hues: Mapping[str, int]
) -> str:
    spans = [span for span in (error.gold, error.predicted) if span is not None]
    first, last = min(span.start for span in spans), max(span.end for span in spans)
    window = slice(max(first - CONTEXT, 0), last + CONTEXT)
    both = {"true": {span: span.type for span in spans_of(sentence.gold or ())}}
    both["predicted"] = _hints(sentence)
    lines = "".join(
        f"<i>{name}</i><span>{_marked(sentence, hints, hues, window=window, strong=spans)}</span>"
        for name, hints in both.items()
    )
    return (
        f'<tr><td class="kind">{escape(error.kind)}</td>'
        f"{number_cell('–' if probability is None else f'{probability:.1%}')}"
        f'<td><div class="both">{lines}</div></td>'
        f'<td class="source" title="{escape(sentence.source)}">'
        f"{escape(sentence.source.rpartition('/')[2])}</td></tr>"
    )


def _probabilities(sentence: TaggedSentence) -> dict[Span, float]:
    return dict(zip(spans_of(sentence.tags), sentence.scores, strict=True))


def _hints(sentence: TaggedSentence) -> dict[Span, str]:
    return {span: f"{span.type} {p:.1%}" for span, p in _probabilities(sentence).items()}


def hues_of(types: Iterable[str]) -> dict[str, int]:
    """A hue in degrees for each of the types, sorted; hues of neighbours differ strongly."""
    return {kind: round(210 + n * GOLDEN_ANGLE) % 360 for n, kind in enumerate(sorted(set(types)))}


def _mark(words: str, kind: str, hue: int | None, hint: str) -> str:
    """Words in the colour of a type (None: faint), with its name behind them."""
    style = ' class="faint"' if hue is None else f' style="--hue:{hue}"'
    return f'<mark{style} data-type="{escape(kind)}" title="{escape(hint)}">{escape(words)}</mark>'


def _marked(
    sentence: TaggedSentence,
    hints: Mapping[Span, str],
    hues: Mapping[str, int],
    *,
    window: slice = slice(None),
    strong: Collection[Span] | None = None,
) -> str:
    """HTML of a sentence, as it was written if that is known, with spans marked.

    Args:
        sentence: its tags are ignored.
        hints: for each span to be marked the text shown while the pointer rests on it.
        hues: of the types of the strong spans.
        window: the tokens that are shown.
        strong: the spans in colour; others are faint. None: all are in colour.
    """
    here, stop, _ = window.indices(len(sentence.tokens))
    parts = ["… "] if here > 0 else []
    for span in sorted(hints):
        start, end = max(span.start, here), min(span.end, stop)
        if start < end:
            parts.append(escape(_words(sentence, here, start)))
            words = _words(sentence, start, end).rstrip()
            hue = hues[span.type] if strong is None or span in strong else None
            parts.append(_mark(words, span.type, hue, hints[span]))
            parts.append(escape(_words(sentence, start, end)[len(words) :]))
            here = end
    parts.append(escape(_words(sentence, here, stop)))
    return "".join(parts) + ("…" if stop < len(sentence.tokens) else "")


def _words(sentence: TaggedSentence, start: int, end: int) -> str:
    """The text from token `start` up to token `end`, with what lies between them."""
    if sentence.text is None or sentence.offsets is None:
        return "".join(f"{token} " for token in sentence.tokens[start:end])
    begins = [*(place[0] for place in sentence.offsets), sentence.offsets[-1][1]]
    return sentence.text[begins[start] : begins[end]]
