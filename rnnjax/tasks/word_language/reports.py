"""Sentences and their scores as lines for the terminal and as pages."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.special import softmax

from rnnjax import training
from rnnjax.data import Stream
from rnnjax.models import LanguageModel
from rnnjax.tasks.word_language.config import WordConfig
from rnnjax.tasks.word_language.corpus import share_unknown
from rnnjax.tasks.word_language.neural_cache import Cache, cached_loss
from rnnjax.tasks.word_language.word_model import SentenceScore, WordModel, loss_of_split
from rnnjax.training import Section
from rnnjax.training.reporting.progress import aligned
from rnnjax.visuals.figures import as_png, new_figure
from rnnjax.visuals.page import MAX_SURPRISE, coloured_text, note, render_page, surprise_colour

SHOWN = 80
LISTED = 16


def report_perplexity(
    model: LanguageModel, stream: Stream, split: str, config: WordConfig, cache: Cache
) -> str:
    """The loss of a split; with a cache also that of one row that reads it whole, without and with.

    Args:
        cache: its settings; of size 0: none.
    """
    losses = {split: loss_of_split(config, model, stream)}
    for one in (Cache(), cache) if cache.size else ():
        held = f"a cache of {one.size:,} words" if one.size else "no cache"
        loss = cached_loss(model, stream, one, window=config.window)
        losses[f"{split} in one row, {held}"] = loss
    return "\n".join(
        f"{name}: perplexity {math.exp(min(nats, 700)):.2f} ({nats:.4f} nats/word) over {count:,} "
        f"words, line ends among them; {share_unknown(stream):.1%} of them are <unknown>"
        for name, (nats, count) in losses.items()
    )


def report_scores(scores: Sequence[SentenceScore]) -> str:
    """A table of sentences, the best first, with the share of each in their joint probability.

    `<unknown>` stands for many words, and is likelier than each of them would be: a sentence with
    fewer unknown words goes before one with more.
    """
    ranked = sorted(scores, key=lambda score: (score.num_unknown, -score.total))
    shares = softmax([score.total for score in ranked])
    rows = [("", "log P", "share", "perplexity", "unknown", "sentence")]
    for n, (score, share) in enumerate(zip(ranked, shares, strict=True)):
        numbers = f"{score.total:.3f}", f"{share:.1%}", f"{score.perplexity:.1f}"
        rows.append(("*" if n == 0 else "", *numbers, str(score.num_unknown), score.text))
    return (
        f"{aligned(rows, numbers=range(1, 5))}\n* is the best: of those with the fewest "
        "unknown words the likeliest\nshare: of the probability of all that were given; unknown: "
        "words that the training text lacks"
    )


def neighbours_section(model: WordModel) -> Section:
    """The nearest neighbours of some frequent words."""
    words = [w for w in model.vocabulary.words if w.isalpha() and len(w) > 3]
    rows = [(word, ", ".join(model.neighbours(word))) for word in words[:LISTED]]
    return Section("Frequent words, and those with the most similar vectors", table=aligned(rows))


def map_section(model: WordModel) -> Section:
    """A map of the vectors of the most frequent words: their two principal components."""
    known = model.vocabulary.words
    words = ([w for w in known if w.isalpha()] or list(known))[:SHOWN]
    ids = [model.vocabulary.symbols.index(word) for word in words]
    vectors = np.asarray(model.model.embed.embedding.get_value())[ids]
    vectors = vectors - vectors.mean(axis=0)
    _, sizes, axes = np.linalg.svd(vectors, full_matrices=False)
    places = vectors @ axes[:2].T
    figure = new_figure(9, 6.5, dpi=100)
    panel = figure.subplots()
    panel.scatter(places[:, 0], places[:, 1], s=4, color="#cbd5e0")
    for word, (x, y) in zip(words, places, strict=True):
        panel.text(x, y, word, fontsize=8, ha="center", va="center", parse_math=False)
    share = np.sum(sizes[:2] ** 2) / np.sum(sizes**2)
    panel.set_title(f"two principal components: {share:.0%} of the variance", fontsize=10)
    panel.set_xticks([])
    panel.set_yticks([])
    return Section(f"The vectors of the {len(words)} most frequent words", png=as_png(figure))


def report_inspection(
    model: WordModel, sentences: Sequence[np.ndarray], title: str, folder: Path
) -> str:
    """Writes `inspect.html`: sentences on the colours of their surprise, and what words are alike.

    Args:
        sentences: to read, in numbers, END the last of each.
        title: where they come from.
    """
    lines = []
    for score in model.score_ids(sentences):
        bits = -score.log_probability / math.log(2)
        pieces = [f"{word} " for word in score.words] + ["\n"]
        hints = [f"p = {2**-b:.3g}, {b:.1f} bits" for b in bits]
        lines.append(coloured_text(pieces, [surprise_colour(b) for b in bits], hints))
    legend = (
        f"The redder a word, the less likely it was after those before it: clear, 1; "
        f"full red, 1/{2**MAX_SURPRISE:.0f} or less. ↵ is the end of a sentence."
    )
    sections = [
        Section(f"Sentences of {title}", html=note(legend) + "".join(lines)),
        map_section(model),
        neighbours_section(model),
    ]
    page = render_page("Inside the language model of words", title, {}, sections)
    return training.write_results(folder, {"inspect.html": page})
