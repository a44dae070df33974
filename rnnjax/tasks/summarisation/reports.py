"""Summaries and their scores as lines for the terminal, files and sections of a report."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rnnjax.data.files import in_a_line
from rnnjax.data.text_pairs import Pair
from rnnjax.data.word_vocabulary import WORD_END
from rnnjax.tasks.summarisation.preparation import lead_size
from rnnjax.tasks.summarisation.scores import first_words, mean, rouge
from rnnjax.tasks.summarisation.summarizer import Summarizer, Summary
from rnnjax.training import say, write_results
from rnnjax.visuals.alignment import Alignment, draw_alignments
from rnnjax.visuals.page import Section, escape, evenly_spread, picture, render_page

SHOWN = 5
"""Summaries of each section of a page."""

DRAWN = 45
"""Symbols of the longest text whose attention a report shows."""


class Scored(NamedTuple):
    """A pair, the summary that a model wrote, its scores, and those of the lead baseline."""

    pair: Pair
    summary: Summary
    scores: dict[str, float]
    lead: dict[str, float]


def summarize_texts(summarizer: Summarizer, texts: Sequence[str]) -> list[Summary]:
    """The summaries of texts, each with a word at least; tells what is unknown, and what is cut."""
    vocabulary, limit = summarizer.vocabulary, summarizer.limit
    if share := vocabulary.unknown_share(texts):
        say(f"{share:.1%} of the symbols of the texts are unknown")
    if longer := sum(len(vocabulary.encode(text)) > (limit or math.inf) for text in texts):
        say(f"{longer:,} of {len(texts):,} texts are longer than {limit} symbols and cut")
    return summarizer.summarize(texts)


def summarize_split(
    summarizer: Summarizer, splits: Mapping[str, Sequence[Pair]], split: str
) -> list[Scored]:
    """Each pair of a split with its summary and its scores; arguments as for `report_scores`."""
    pairs, lead = splits[split], lead_size(splits["train"])
    summaries = summarize_texts(summarizer, [pair.source for pair in pairs])
    references = [pair.target for pair in pairs]
    scores = rouge([one.text for one in summaries], references)
    leads = rouge([first_words(pair.source, lead) for pair in pairs], references)
    return [Scored(*one) for one in zip(pairs, summaries, scores, leads, strict=True)]


def report_scores(
    summarizer: Summarizer, splits: Mapping[str, Sequence[Pair]], split: str, folder: Path
) -> tuple[str, Iterator[Section]]:
    """Writes `scores_SPLIT.json` and `summaries_SPLIT.txt`.

    Args:
        splits: the one to be scored, and `train`, which decides how long the baseline is.

    Returns:
        The scores for the terminal; sections of a report, which are drawn as they are read.
    """
    scored, search = summarize_split(summarizer, splits, split), summarizer.search.name
    scores, lead = _means(scored)
    texts = [in_a_line(one.summary.text) for one in scored]
    files = {
        f"summaries_{split}.txt": "".join(f"{text}\n" for text in texts),
        f"scores_{split}.json": {"split": split, "search": search, **scores, "lead": lead},
    }
    say(f"Scores: {write_results(folder, files)}")
    told = f"{split}: {_told(scores)} (F1, %, {search}), {len(scored):,} texts; "
    told += f"lead {_told(lead)}"
    if (copies := _copied_words(scored)) is not None:
        told += f"; {copies:.1f} % of the words are copied"
    return told, _sections(scored, split, told)


def _sections(scored: Sequence[Scored], title: str, told: str) -> Iterator[Section]:
    """Scores, what was written for some texts, and attention and copies of short ones."""
    shown = evenly_spread(scored, SHOWN)
    yield Section(f"Scores, {title}", text=told)
    yield Section(f"Summaries, {title}", text="\n\n".join(map(_lines, shown)))
    short = [one for one in scored if len(one.summary.source) <= DRAWN and one.summary.symbols]
    if short:
        drawn = [_alignment(one) for one in evenly_spread(short, 3)]
        png = draw_alignments(drawn, columns=1)
        yield Section(f"Attention and copies, {title}", png=png)


def report_inspection(scored: Sequence[Scored], title: str, folder: Path) -> str:
    """Writes `inspect.html`: summaries spread over a split, the best and the worst by ROUGE-1."""
    ranked = sorted(scored, key=lambda one: -one.scores["rouge1"])
    chosen = {
        "Spread over the split": evenly_spread(scored, SHOWN),
        "Best": ranked[:SHOWN],
        "Worst": ranked[: -SHOWN - 1 : -1],
    }
    scores, lead = _means(scored)
    cards = {f"{kind}; lead {lead[kind]:.2f} %": f"{scores[kind]:.2f} %" for kind in scores}
    sections = [Section(name, html="".join(map(_figure, its))) for name, its in chosen.items()]
    page = render_page("Summaries", f"{title}: {len(scored):,} texts", cards, sections)
    return f"{title}: {write_results(folder, {'inspect.html': page})}"


def _means(scored: Sequence[Scored]) -> tuple[dict[str, float], dict[str, float]]:
    return mean([one.scores for one in scored]), mean([one.lead for one in scored])


def _told(scores: dict[str, float]) -> str:
    return ", ".join(f"{kind} {value:.2f}" for kind, value in scores.items())


def _copied_words(scored: Sequence[Scored]) -> float | None:
    """The mean probability of a copy in percent; None of a model that does not copy."""
    copied = [p for one in scored if one.summary.copied is not None for p in one.summary.copied]
    return 100 * float(sum(copied)) / len(copied) if copied else None


def _lines(one: Scored) -> str:
    body = in_a_line(one.pair.source)
    body = body if len(body) <= 300 else f"{body[:300]} ..."
    return f"{body}\n->  {one.summary.text}\n    (wanted: {one.pair.target})"


def _alignment(one: Scored) -> Alignment:
    _, _, symbols, source, attention, copied = one.summary
    symbols, source = (
        tuple(symbol.removesuffix(WORD_END) for symbol in its) for its in (symbols, source)
    )
    return Alignment(source, symbols, attention, copied)


def _figure(one: Scored) -> str:
    drawn = ""
    if one.summary.symbols:
        drawn = picture(one.summary.text, draw_alignments([_alignment(one)]))
    text = "<br>".join(map(escape, _lines(one).splitlines()))
    below = f'<p class="soft">{escape(f"{one.pair.place}, {_told(one.scores)}")}</p>'
    return f"<figure>{drawn}<figcaption>{text}{below}</figcaption></figure>"
