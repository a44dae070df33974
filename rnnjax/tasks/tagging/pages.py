"""HTML pages about tagged sentences: entities in colour, scores and errors."""

import zlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from rnnjax.tasks.tagging.entity_scores import EntityScores, SpanError, span_errors
from rnnjax.tasks.tagging.schemes import Span, spans_of
from rnnjax.tasks.tagging.sentences import TaggedSentence
from rnnjax.visuals.page import Section, escape, note, number_cell, render_page, wide_table

CONTEXT = 12
"""Tokens shown on either side of an error."""

HUE_SEED = 1253
"""With it the hues of the types of CoNLL-2003 and of the embedded data lie far apart."""

PALE = "The paler the colour, the less probable the entity is."


def spans_page(sentences: Sequence[TaggedSentence]) -> str:
    """A page of sentences with the predicted entities in the colours of their types.

    Behind an entity stand its type and its probability; the less probable, the paler it is.
    """
    counts = Counter(span.type for sentence in sentences for span in spans_of(sentence.tags))
    legend = "".join(_mark(f"{counts[kind]:,}", kind) for kind in sorted(counts))
    items = (
        f'<li title="{escape(sentence.source)}">{_marked(sentence, _probabilities(sentence))}</li>'
        for sentence in sentences
    )
    body = f'<p class="legend">{legend}</p>{note(PALE)}<ol class="sentences">{"".join(items)}</ol>'
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
    accuracy = note(f"Token accuracy {100 * scores.token_accuracy:.2f}")
    return Section(title, html=wide_table(heads, rows, numbers=range(1, 5)) + accuracy)


def errors_section(sentences: Sequence[TaggedSentence], limit: int = 200) -> Section:
    """A table of errors with the words around them, the most confident first.

    Missed entities, for which the model has no probability, come last.

    Args:
        sentences: those without gold tags are left out.
        limit: at most so many errors are shown.
    """
    judged = [sentence for sentence in sentences if sentence.gold is not None]
    errors = span_errors([one.gold or () for one in judged], [one.tags for one in judged])
    probabilities = [_probabilities(sentence) for sentence in judged]
    found = [
        (error, None if error.predicted is None else probabilities[error.sentence][error.predicted])
        for error in errors
    ]
    found.sort(key=lambda pair: 1.0 if pair[1] is None else -pair[1])
    if not errors:
        return Section("Errors", html=note("none"))
    kinds = Counter(error.kind for error in errors).most_common()
    summary = ", ".join(f"{count:,} {kind}" for kind, count in kinds)
    if len(errors) > limit:
        summary += f"; shown: the first {limit:,}"
    summary += f". {PALE} Without a colour: other entities of the sentence."
    rows = (_error_row(judged[error.sentence], error, p) for error, p in found[:limit])
    table = wide_table(("error", "probability", "", "source"), rows, (1,), stack=True)
    return Section("Errors", html=note(summary) + table)


def _error_row(sentence: TaggedSentence, error: SpanError, probability: float | None) -> str:
    spans = [span for span in (error.gold, error.predicted) if span is not None]
    first, last = min(span.start for span in spans), max(span.end for span in spans)
    window = slice(max(first - CONTEXT, 0), last + CONTEXT)
    both: dict[str, Mapping[Span, float | None]] = {
        "true": dict.fromkeys(spans_of(sentence.gold or ())),
        "predicted": _probabilities(sentence),
    }
    lines = "".join(
        f"<i>{name}</i><span>{_marked(sentence, shown, window=window, strong=spans)}</span>"
        for name, shown in both.items()
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


def hue_of(kind: str) -> int:
    """The hue in degrees of a type of entities: on every page the same, made from its name."""
    return zlib.crc32(kind.encode(), HUE_SEED) % 360


def _mark(words: str, kind: str, probability: float | None = None, *, faint: bool = False) -> str:
    """Words in the colour of a type, with its name and the probability behind them."""
    style, title = f"--hue:{hue_of(kind)}", kind
    if probability is not None:
        style += f";--p:{probability:.2f}"
        title += f"\N{NO-BREAK SPACE}{probability:.1%}"
    look = 'class="faint"' if faint else f'style="{style}"'
    return f'<mark {look} data-type="{escape(kind)}" title="{escape(title)}">{escape(words)}</mark>'


def _marked(
    sentence: TaggedSentence,
    probabilities: Mapping[Span, float | None],
    *,
    window: slice = slice(None),
    strong: Collection[Span] | None = None,
) -> str:
    """HTML of a sentence, as it was written if that is known, with spans marked.

    Args:
        sentence: its tags are ignored.
        probabilities: of each span to be marked; None where there is none.
        window: the tokens that are shown.
        strong: the spans in colour; others are faint. None: all are in colour.
    """
    here, stop, _ = window.indices(len(sentence.tokens))
    parts = ["… "] if here > 0 else []
    for span in sorted(probabilities):
        start, end = max(span.start, here), min(span.end, stop)
        if start < end:
            parts.append(escape(_words(sentence, here, start)))
            words = _words(sentence, start, end).rstrip()
            faint = strong is not None and span not in strong
            parts.append(_mark(words, span.type, probabilities[span], faint=faint))
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
