"""What a tagger found in sentences and where it was wrong, as pages."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rnnjax.tasks.tagging.entity_scores import EntityScores
from rnnjax.tasks.tagging.marked_text import Tagged, hues_of, mark, marked
from rnnjax.tasks.tagging.schemes import Span, spans_of
from rnnjax.tasks.tagging.span_errors import SpanError, span_errors
from rnnjax.visuals.page import Section, escape, render_page, wide_table

CONTEXT = 12
"""Tokens shown on either side of an error."""


def spans_page(sentences: Sequence[Tagged], subtitle: str) -> str:
    """A page of sentences with the predicted entities on the colours of their types.

    The probability of an entity shows while the pointer rests on it.

    Args:
        sentences: in the order in which they are shown.
        subtitle: says where they come from.
    """
    counts = Counter(span.type for sentence in sentences for span in spans_of(sentence.tags))
    hues = hues_of(counts)
    legend = "".join(mark(f"{counts[kind]:,}", kind, hue, kind) for kind, hue in hues.items())
    items = (
        f'<li title="{escape(sentence.source)}">{marked(sentence, _hints(sentence), hues)}</li>'
        for sentence in sentences
    )
    body = f'<p class="legend">{legend}</p><ol class="sentences">{"".join(items)}</ol>'
    cards = {
        "sentences": f"{len(sentences):,}",
        "tokens": f"{sum(len(sentence.tokens) for sentence in sentences):,}",
        "entities": f"{counts.total():,}",
    }
    section = Section("Sentences", html=body)
    return render_page("Entities", subtitle, cards, [section])


def scores_section(scores: EntityScores, title: str = "Scores") -> Section:
    """A table of precision, recall and F1 in percent, of each type and of all.

    Args:
        scores: from `rnnjax.tasks.tagging.entity_scores.entity_scores`.
        title: of the section.
    """
    rows: list[str] = []
    totals = {"all (micro)": scores.micro, "types (macro)": scores.macro}
    for name, score in [*scores.per_type.items(), *totals.items()]:
        row = "<tr>" if len(rows) < len(scores.per_type) else '<tr class="total">'
        rows.append(
            f"{row}<td>{escape(name)}</td>{_number(f'{100 * score.precision:.2f}')}"
            f"{_number(f'{100 * score.recall:.2f}')}"
            f'<td class="number bar" style="--part:{score.f1:.1%}">{100 * score.f1:.2f}</td>'
            f"{_number(f'{score.support:,}')}</tr>"
        )
    heads = ("", "precision", "recall", "F1", "entities")
    accuracy = f'<p class="soft">Token accuracy {100 * scores.token_accuracy:.2f}</p>'
    return Section(title, html=wide_table(heads, rows, numbers=range(1, 5)) + accuracy)


def errors_section(sentences: Sequence[Tagged], limit: int = 200) -> Section:
    """A table of errors with the words around them, the most confident first.

    Missed entities, instead of which nothing was predicted that has a probability, come last.

    Args:
        sentences: those without gold tags are left out.
        limit: at most so many errors are shown.

    Raises:
        UserError: a sentence has more or fewer gold than predicted tags.
    """
    judged = [(sentence, sentence.gold) for sentence in sentences if sentence.gold is not None]
    errors = span_errors([gold for _, gold in judged], [one.tags for one, _ in judged])
    chances = [_chances(sentence) for sentence, _ in judged]
    found = [
        (error, None if error.predicted is None else chances[error.sentence][error.predicted])
        for error in errors
    ]
    found.sort(key=lambda pair: 1.0 if pair[1] is None else -pair[1])
    kinds = Counter(error.kind for error in errors).most_common()
    summary = ", ".join(f"{count:,} {kind}" for kind, count in kinds) or "none"
    if len(errors) > limit:
        summary += f"; shown: the first {limit:,}"
    hues = hues_of(span.type for error in errors for span in (error.gold, error.predicted) if span)
    rows = (_error_row(judged[error.sentence][0], error, p, hues) for error, p in found[:limit])
    heads = ("error", "probability", "", "source")
    table = wide_table(heads, rows, numbers=(1,)) if errors else ""
    body = f'<p class="soft">{escape(summary)}</p>{table}'
    return Section("Errors", html=body)


def _error_row(
    sentence: Tagged, error: SpanError, chance: float | None, hues: Mapping[str, int]
) -> str:
    spans = [span for span in (error.gold, error.predicted) if span is not None]
    first, last = min(span.start for span in spans), max(span.end for span in spans)
    window = slice(max(first - CONTEXT, 0), last + CONTEXT)
    both = {"true": {span: span.type for span in spans_of(sentence.gold or ())}}
    both["predicted"] = _hints(sentence)
    lines = "".join(
        f"<i>{name}</i><span>{marked(sentence, hints, hues, window=window, strong=spans)}</span>"
        for name, hints in both.items()
    )
    return (
        f'<tr><td class="kind">{escape(error.kind)}</td>'
        f"{_number('–' if chance is None else f'{chance:.1%}')}"
        f'<td><div class="both">{lines}</div></td>'
        f'<td class="source" title="{escape(sentence.source)}">'
        f"{escape(sentence.source.rpartition('/')[2])}</td></tr>"
    )


def _chances(sentence: Tagged) -> dict[Span, float]:
    return dict(zip(spans_of(sentence.tags), sentence.scores, strict=True))


def _hints(sentence: Tagged) -> dict[Span, str]:
    return {span: f"{span.type} {chance:.1%}" for span, chance in _chances(sentence).items()}


def _number(text: str) -> str:
    return f'<td class="number">{text}</td>'
