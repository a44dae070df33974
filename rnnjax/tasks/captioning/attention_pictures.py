"""How a captioner's attention behaves over many captions, as PNG."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.overlays import Captioned
from rnnjax.tasks.captioning.pointing import entropy
from rnnjax.visuals.pictures import as_png

MOST_FREQUENT = 40
"""Of so many words the entropy is drawn."""

MAX_COLUMNS = 4


class WordEntropy(NamedTuple):
    """How widely attention is spread at a word.

    Attributes:
        word: as in the captions.
        mean: of the entropy, over its occurrences, in nats.
        occurrences: how often it was written.
    """

    word: str
    mean: float
    occurrences: int


def word_entropies(captioned: Sequence[Captioned]) -> list[WordEntropy]:
    """The mean entropy of the attention at each word, the lowest, most pointed, first.

    Args:
        captioned: those without maps are left out.
    """
    found = defaultdict(list)
    for one in captioned:
        if one.maps is not None and len(one.words):
            flat = np.reshape(one.maps, (len(one.words), -1))
            for word, nats in zip(one.words, entropy(flat), strict=True):
                found[word].append(float(nats))
    means = [WordEntropy(word, sum(all_) / len(all_), len(all_)) for word, all_ in found.items()]
    return sorted(means, key=lambda one: (one.mean, one.word))


def mean_maps(
    captioned: Sequence[Captioned], groups: Mapping[str, Collection[str]]
) -> dict[str, np.ndarray]:
    """The mean attention over all words, and over those of some groups.

    Args:
        captioned: those without maps are left out.
        groups: words by the name of their group; a group of which no word occurs is left out.

    Returns:
        `[rows, columns]` by name, "all words" first.

    Raises:
        UserError: the maps are not all of one size.
    """
    shown = [(one.words, np.asarray(one.maps)) for one in captioned if one.maps is not None]
    sizes = sorted({maps.shape[1:] for _, maps in shown})
    if len(sizes) > 1:
        raise UserError(f"a mean needs attention maps of one size; got {sizes[0]} and {sizes[1]}")
    words = [word for words, _ in shown for word in words]
    if not words:
        return {}
    maps = np.concatenate([maps for _, maps in shown])
    chosen = {name: [word in group for word in words] for name, group in groups.items()}
    return {"all words": maps.mean(axis=0)} | {
        name: maps[which].mean(axis=0) for name, which in chosen.items() if any(which)
    }


def draw_word_entropies(entropies: Sequence[WordEntropy], num_locations: int) -> bytes:
    """Draws the mean entropy of the attention at the most frequent words as bars.

    Args:
        entropies: from `word_entropies`, in the order in which they are shown.
        num_locations: S; a dashed line marks ln S, attention to all alike.

    Returns:
        The bytes of a PNG file.
    """
    frequent = sorted(entropies, key=lambda one: -one.occurrences)[:MOST_FREQUENT]
    shown = [one for one in entropies if one in frequent]
    figure = Figure(figsize=(8, 0.9 + 0.2 * len(shown)), dpi=110, layout="constrained")
    axes = figure.subplots()
    places = range(len(shown))
    axes.barh(places, [one.mean for one in shown], color="#2b6cb0", height=0.7)
    axes.axvline(np.log(num_locations), color="#718096", ls="--", lw=1)
    names = [f"{one.word}  ({one.occurrences:,})" for one in shown]
    axes.set_yticks(places, names, fontsize=9, parse_math=False)
    axes.set(
        xlim=(0, 1.03 * np.log(num_locations)), ylim=(len(shown) - 0.4, -0.6),
        xlabel="entropy in nats; dashed: the same everywhere",
    )  # fmt: skip
    axes.tick_params("y", length=0)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return as_png(figure)


def draw_mean_maps(maps: Mapping[str, np.ndarray]) -> bytes:
    """Draws mean attention as heat maps on one scale: 1 is what each location had by chance.

    Args:
        maps: `[rows, columns]` by name, from `mean_maps`; at least one.

    Returns:
        The bytes of a PNG file.
    """
    times = {name: map_ * map_.size for name, map_ in maps.items()}
    limit = max(map_.max() for map_ in times.values())
    columns = min(len(times), MAX_COLUMNS)
    rows = -(-len(times) // columns)
    figure = Figure(figsize=(1 + 2 * columns, 0.3 + 2.1 * rows), dpi=110, layout="constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False)
    for axes in all_axes.flat:
        axes.set_axis_off()
    for axes, (name, map_) in zip(all_axes.flat, times.items(), strict=False):
        image = axes.imshow(map_, cmap="magma", vmin=0, vmax=limit)
        axes.set_title(name, fontsize=9, parse_math=False)
    figure.colorbar(image, ax=all_axes, label="times an even share", aspect=25, pad=0.02)
    return as_png(figure)
