"""Pictures: the probability of coding along a sequence, and logos of what a network looks at."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnjax import data, training
from rnnjax.tasks.dna.dna_model import DnaModel, Tagged
from rnnjax.tasks.dna.gene_states import exons_of
from rnnjax.tasks.dna.nucleotides import BASES
from rnnjax.visuals.figures import as_png, new_figure
from rnnjax.visuals.page import Section, render_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = dict(zip(BASES, ("#2f855a", "#2b6cb0", "#b7791f", "#c53030"), strict=True))
SITES = {"donor": (8, 14), "acceptor": (20, 6), "start": (12, 12)}
"""Of a logo of genes: bases before the first one of the site, and from it on."""

MOST_EXAMPLES = 200
MOST_CLASSES = 4
LONGEST = 120
"""Bases of a logo."""


def picture(
    model: DnaModel, examples: Sequence[data.Example], genes: Sequence[Tagged] = ()
) -> Section:
    """A picture of a split: genes and logos of sites, or a logo of each class.

    Args:
        genes: what the model finds in them, where that is known.
    """
    if model.vocabulary.problem == "genes":
        most = max(range(len(examples)), key=lambda n: examples[n].fields["tags"].count("IE"))
        found = genes[most] if genes else model.find_genes([examples[most]])[0]
        png = draw_genes(examples[most].fields["tags"], found, site_logos(model, examples))
        return Section(f"{examples[most].place}, and what the states of sites look at", png=png)
    return Section("What each class looks at", png=draw_classes(model, examples))


def report_inspection(model: DnaModel, examples: Sequence[data.Example], folder: Path) -> str:
    """Writes inspect.html into a folder; returns a line for the terminal."""
    section = picture(model, examples)
    page = render_page("What the network looks at", str(folder), {}, [section])
    return f"Pictures: {training.write_results(folder, {'inspect.html': page})}"


def site_logos(model: DnaModel, examples: Sequence[data.Example]) -> dict[str, np.ndarray]:
    """By site, the mean of |gradient x input| around the first one of each example, `[W, 4]`.

    Args:
        examples: with tags; the first `MOST_EXAMPLES` are looked at.
    """
    windows: dict[str, list[np.ndarray]] = {site: [] for site in SITES}
    its = examples[:MOST_EXAMPLES]
    for one, relevance in zip(its, model.relevance(its, tuple(SITES)), strict=True):
        tags = one.fields["tags"]
        first = {"donor": tags.find("EI") + 1, "acceptor": tags.find("IE"), "start": tags.find("E")}
        for n, (site, (before, after)) in enumerate(SITES.items()):
            if (at := first[site]) > 0:
                padded = np.pad(np.abs(relevance[:, n]), ((before, after), (0, 0)))
                windows[site].append(padded[at : at + before + after])
    return {
        site: np.mean(windows[site], axis=0) if windows[site] else np.zeros((sum(sides), 4))
        for site, sides in SITES.items()
    }


def draw_genes(tags: str, found: Tagged, logos: dict[str, np.ndarray]) -> bytes:
    """Draws the probability of coding with the true and found exons beneath, and logos, as PNG.

    Args:
        tags: true ones, O, E and I, of T bases.
        logos: of sites, `[W, 4]` each.
    """
    figure = new_figure(9, 5.2, dpi=90)
    grid = figure.add_gridspec(2, len(logos), height_ratios=(1.5, 1))
    axes = figure.add_subplot(grid[0, :])
    steps = np.arange(1, len(tags) + 1)
    axes.fill_between(steps, found.coding, color="#dd6b20", alpha=0.35, lw=0, label="p(coding)")
    for name, its, height in (("true", tags, -0.16), ("found", found.tags, -0.36)):
        for exons in exons_of(its):
            axes.plot([exons[0][0], exons[-1][1]], [height] * 2, color="#718096", lw=1)
            for first, last in exons:
                axes.plot([first, last], [height] * 2, color="#2c5282", lw=8, solid_capstyle="butt")
        axes.text(-0.01, height, name, ha="right", va="center",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set(ylim=(-0.5, 1.02), xlim=(1, len(tags)), yticks=[0, 0.5, 1], xlabel="base")
    axes.set_title("Probability that a base is coding; exons and introns beneath", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    for n, (site, heights) in enumerate(logos.items()):
        axes = figure.add_subplot(grid[1, n])
        draw_logo(axes, heights, -SITES[site][0])
        axes.set_title(f"score of {site}", fontsize=10)
    return as_png(figure, "bases by position from the site; height: mean |gradient x input|")


def draw_classes(model: DnaModel, examples: Sequence[data.Example]) -> bytes:
    """Draws a logo for each class that the model predicts, over the first bases of its examples."""
    its = examples[:MOST_EXAMPLES]
    said = np.array([one.label for one in model.classify(its)])
    relevance = [np.abs(one[:LONGEST, 0]) for one in model.relevance(its)]
    size = max(map(len, relevance))
    labels = [label for label in model.vocabulary.labels if label in said][:MOST_CLASSES]
    figure = new_figure(9, 1.5 * len(labels) + 0.4, dpi=90)
    for label, axes in zip(labels, figure.subplots(len(labels), squeeze=False)[:, 0], strict=True):
        of_class = [np.pad(relevance[n], ((0, size - len(relevance[n])), (0, 0)))
                    for n in np.flatnonzero(said == label)]  # fmt: skip
        draw_logo(axes, np.mean(of_class, axis=0), 1)
        axes.set_title(f"{label}: {len(of_class)} sequences", fontsize=10, parse_math=False)
    return as_png(figure, "bases by position; height: mean |gradient x input|")


def draw_logo(axes: "Axes", heights: np.ndarray, first: int) -> None:
    """Draws letters as high as numbers, the highest of a position on top.

    Args:
        heights: `[W, 4]`, 0 or more, in the order of `BASES`.
        first: number of the first position.

    References:
        Schneider & Stephens 1990, "Sequence logos: a new way to display consensus sequences".
    """
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    glyphs = {}
    for base in BASES:
        outline = TextPath((0, 0), base, size=1)
        box = outline.get_extents()
        unit = Affine2D().translate(-box.x0, -box.y0).scale(0.9 / box.width, 1 / box.height)
        glyphs[base] = outline.transformed(unit)
    for n, row in enumerate(heights):
        foot = 0.0
        for at in np.argsort(row):
            place = Affine2D().scale(1, row[at]).translate(first + n - 0.45, foot)
            letter = glyphs[BASES[at]].transformed(place)
            axes.add_patch(PathPatch(letter, lw=0, facecolor=COLOURS[BASES[at]]))
            foot += row[at]
    top = heights.sum(axis=1).max() or 1.0
    axes.set(xlim=(first - 0.6, first + len(heights) - 0.4), ylim=(0, 1.03 * top), yticks=[])
    axes.spines[["top", "right", "left"]].set_visible(False)
