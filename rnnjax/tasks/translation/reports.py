"""Translations and their scores as lines for the terminal, files and sections of a report."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rnnjax.data.files import in_a_line
from rnnjax.data.text_pairs import Pair
from rnnjax.errors import UserError
from rnnjax.tasks.translation.scores import translation_scores
from rnnjax.tasks.translation.translator import Translation, Translator
from rnnjax.training import say, write_results
from rnnjax.visuals.alignment import Alignment, draw_alignments
from rnnjax.visuals.page import Section, escape, evenly_spread, picture, render_page

SHOWN = 6
"""Translations of each section of a page."""

LONGEST = 64
"""How many times as long as the longest source of training a text to be translated may be."""

Translated = tuple[Pair, Translation]


def translate_split(pairs: Sequence[Pair], translator: Translator) -> list[Translated]:
    """Each pair of a split with the translation of its source."""
    sources, places = [pair.source for pair in pairs], [pair.place for pair in pairs]
    return list(zip(pairs, translate_texts(sources, places, translator), strict=True))


def report_scores(
    translator: Translator, splits: Mapping[str, Sequence[Pair]], split: str, folder: Path
) -> tuple[str, Iterator[Section]]:
    """Writes `scores_SPLIT.json` and `translations_SPLIT.txt`.

    Returns:
        The scores for the terminal; sections of a report, which are drawn as they are read.
    """
    translated, metric = translate_split(splits[split], translator), translator.config.metric
    scores = _scores(metric, translated)
    files = {
        f"translations_{split}.txt": "".join(f"{in_a_line(one.text)}\n" for _, one in translated),
        f"scores_{split}.json": {"split": split, "search": translator.search.name, **scores},
    }
    say(f"Scores: {write_results(folder, files)}")
    named = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
    told = f"{split}: {named} (%, {translator.search.name}), {len(translated):,} texts"
    return told, _sections(translated, split, metric, told)


def _sections(
    translated: Sequence[Translated], title: str, metric: str, told: str
) -> Iterator[Section]:
    """Scores, and the attention of some translations; of generated data each language's score."""
    spread = evenly_spread(translated, SHOWN)
    alignments = [_alignment(one) for _, one in spread if one.attention is not None]
    yield Section(f"Scores, {title}", text=told)
    yield Section(f"Translations, {title}", text="\n".join(map(_line, spread)))
    if alignments:
        yield Section(f"Attention, {title}", png=draw_alignments(alignments))
    if metric == "exact":
        kinds: dict[str, list[Translated]] = {}
        for pair, one in translated:
            kinds.setdefault(pair.source.split()[0], []).append((pair, one))
        shares = {kind: _scores(metric, its)["exact"] for kind, its in sorted(kinds.items())}
        rows = "\n".join(f"{kind}  {share:6.2f} %" for kind, share in shares.items())
        yield Section(f"Exact, {title}", text=rows)


def report_inspection(
    translated: Sequence[Translated], title: str, metric: str, folder: Path
) -> str:
    """Writes `inspect.html`, with the attention of a few translations; gives its path.

    Translations are ranked by the chrF of each, equal ones by their probability a symbol.

    Args:
        metric: see `translation_scores`.
    """
    from sacrebleu import sentence_chrf  # It takes a second.

    def rank(one: Translated) -> tuple[float, float]:
        pair, found = one
        score = sentence_chrf(found.text, [pair.target]).score
        return score, found.rated[0].log_probability / (len(found.symbols) + 1)

    ranked = sorted(translated, key=rank, reverse=True)
    chosen = {
        "Spread over the split": evenly_spread(translated, SHOWN),
        "Best": ranked[:SHOWN],
        "Worst": ranked[: -SHOWN - 1 : -1],
    }
    cards = {name: f"{value:.2f} %" for name, value in _scores(metric, translated).items()}
    sections = [Section(name, html="".join(map(_figure, its))) for name, its in chosen.items()]
    page = render_page("Translations", f"{title}: {len(translated):,} texts", cards, sections)
    return f"{title}: {write_results(folder, {'inspect.html': page})}"


def check_lengths(texts: Sequence[str], places: Sequence[str], translator: Translator) -> None:
    """Raises UserError for a text that is far too long: time and memory grow with its square."""
    most = LONGEST * translator.lengths.source[-1]
    for text, place in zip(texts, places, strict=True):
        if (size := len(translator.vocabulary.source.encode(text))) > most:
            raise UserError(
                f"{place} has {size:,} symbols, and texts of up to {most:,} are translated, "
                f"{LONGEST} times the longest source of training: divide it, as into sentences"
            )


def translate_texts(
    texts: Sequence[str], places: Sequence[str], translator: Translator
) -> list[Translation]:
    """The translations; tells what is unknown, and the first text whose words all are.

    Args:
        texts: each with a word at least.
        places: of each, for messages.
    """
    if share := translator.vocabulary.source.unknown_share(texts):
        say(f"{share:.1%} of the symbols of the source are unknown")
    unknown = [n for n, text in enumerate(texts) if translator.is_unknown(text)]
    if unknown:
        place, text = places[unknown[0]], texts[unknown[0]]
        say(
            f"{len(unknown):,} of {len(texts):,} texts have no known word, their translations are "
            f"guesses; first {place}: {text!r:.60}"
        )
    return translator.translate(texts)


def _scores(metric: str, translated: Sequence[Translated]) -> dict[str, float]:
    texts = [one.text for _, one in translated]
    return translation_scores(metric, texts, [pair.target for pair, _ in translated])


def _line(one: Translated) -> str:
    pair, found = one
    wanted = "" if found.text == pair.target else f"   (wanted: {pair.target})"
    return f"{pair.source}  ->  {found.text}{wanted}"


def _alignment(one: Translation) -> Alignment:
    return Alignment(one.source, one.symbols, one.attention)


def _figure(one: Translated) -> str:
    pair, found = one
    drawn = ""
    if found.attention is not None and found.symbols:
        drawn = picture(found.text, draw_alignments([_alignment(found)]))
    below = f"{pair.place}, log-probability {found.rated[0].log_probability:.2f}"
    return (
        f"<figure>{drawn}<figcaption>{escape(_line(one))}"
        f'<p class="soft">{escape(below)}</p></figcaption></figure>'
    )
