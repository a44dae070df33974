"""Scores of a model of names beside those of n-grams, and pictures of what it takes for what."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rnnjax import training, visuals
from rnnjax.metrics.classes import confusions
from rnnjax.tasks.naming.name_model import NameModel
from rnnjax.tasks.naming.names import Name, Splits, clean
from rnnjax.tasks.naming.ngram import WittenBell
from rnnjax.tasks.naming.preparation import END
from rnnjax.visuals import Section
from rnnjax.visuals.figures import as_png, new_figure
from rnnjax.visuals.page import table

ORDER = 5
SAMPLES_OF_A_CLASS = 100
SHOWN = 6
LISTED = 5
IN_TRAINING = "*"


def score(
    name_model: NameModel, names: Sequence[Name], scores: Sequence[np.ndarray] | None = None
) -> tuple[float, np.ndarray, float]:
    """How well names are predicted and classified.

    Args:
        names: at least one.
        scores: log p(symbol | those before it, c), `[T, K]` for each name; None: the model's.

    Returns:
        Nats of a symbol, the end symbol counted, given the class; the number of the likeliest class
        of each name, int `[N]`; of how many percent of the names it is their own. Without classes
        the second is empty and the third nan.
    """
    if scores is None:
        scores = name_model.symbol_scores([name.text for name in names])
    classes = list(name_model.class_counts)
    own = np.array([classes.index(name.label) if classes else 0 for name in names])
    total = sum(each[:, k].sum() for each, k in zip(scores, own, strict=True))
    nats = -float(total) / sum(map(len, scores))
    if not classes:
        return nats, np.zeros(0, int), np.nan
    found = name_model.posteriors(scores).argmax(axis=1)
    return nats, found, 100 * float(np.mean(found == own))


def ngram_scores(
    name_model: NameModel, train: Iterable[Name], names: Sequence[Name]
) -> list[np.ndarray]:
    """log p(symbol | those before it, c) by 5-grams of each class, `[T, K]` for each name."""

    def encode(name: Name) -> list[int]:
        return name_model.vocabulary.encode(name.text + END).tolist()

    texts: dict[str, list[list[int]]] = {label: [] for label in name_model.class_counts or [""]}
    for name in train:
        texts[name.label if name_model.class_counts else ""].append(encode(name))
    models = [WittenBell(its, len(name_model.vocabulary), ORDER) for its in texts.values()]
    return [
        np.stack([model.log_probabilities(ids) for model in models], axis=1)
        for ids in map(encode, names)
    ]


def report_split(
    name_model: NameModel, splits: Splits, split: str, folder: Path
) -> tuple[dict[str, float], str, list[Section]]:
    """The scores of a split beside those of 5-grams.

    Returns:
        The scores by name, what to print, and where there are classes a picture of which are taken
        for which; the folder has it as `confusion_SPLIT.png`.
    """
    part, train = splits[split], splits["train"]
    nats, likeliest, right = score(name_model, part)
    their_nats, _, their_right = score(name_model, part, ngram_scores(name_model, train, part))
    results = {f"{split}, nats/char": nats, f"{split}, nats/char of 5-grams": their_nats}
    told = f"{split}: {nats:.4f} nats/char (5-grams {their_nats:.4f})"
    symbols = sum(len(name.text) for name in part)
    unknown = sum(np.sum(name_model.vocabulary.encode(name.text) == 0) for name in part)
    sections: list[Section] = []
    after = f", {len(part):,} names, {unknown / symbols:.2%} of the characters unknown"
    if name_model.class_counts:
        results[f"{split} class accuracy, %"] = right
        results[f"{split} class accuracy of 5-grams, %"] = their_right
        told += f", class right {right:.2f}% (5-grams {their_right:.2f}%)"
        classes = list(name_model.class_counts)
        found = [classes[k] for k in likeliest]
        counts = confusions([name.label for name in part], found, classes)
        png = visuals.draw_confusion(classes, counts)
        path = training.write_results(folder, {f"confusion_{split}.png": png})
        after += f"\nConfusion matrix: {path}"
        sections = [Section("Confusion matrix", png=png)]
    return results, told + after, sections


def report_generated(
    name_model: NameModel, splits: Splits, count: int = SAMPLES_OF_A_CLASS
) -> tuple[float, Section]:
    """Generates names of each class, seed 0, and compares them with the training names.

    Returns:
        How many percent of them are not training names, and a table of a few of each class.
    """
    train = {name.text for name in splits["train"]}
    drawn = {
        label: name_model.generate(label or None, count)
        for label in name_model.class_counts or [""]
    }
    rows = {
        label: ", ".join(marked(name, train) for name in its[:SHOWN])
        for label, its in drawn.items()
    }
    new = 100 * float(np.mean([name not in train for its in drawn.values() for name in its]))
    title = f"Generated names ({IN_TRAINING} is in the training data)"
    return new, Section(title, html=table(rows))


def report_classes(name_model: NameModel, names: Sequence[str]) -> str:
    """The likeliest classes of each name and their probabilities, a line a name.

    The line of a name without a known character says so.

    Raises:
        UserError: see `NameModel.classify`; no name has a known character.
    """
    readable = [name for name in names if name_model.reads(name)]
    ranked_classes = iter(name_model.classify(readable or names))
    lines = []
    for name in map(clean, names):
        if not name_model.reads(name):
            lines.append(f"{name}: no class, as none of its characters is in the training names")
            continue
        classes = next(ranked_classes)
        ranked = ", ".join(f"{label} {p:.1%}" for label, p in list(classes.items())[:LISTED])
        unknown = name_model.vocabulary.unknown_in(name)
        lines.append(f"{name}: {ranked}" + f" (unknown characters: {unknown})" * bool(unknown))
    return "\n".join(lines)


def marked(name: str, train: set[str]) -> str:
    """A name, with a star behind it if it is a training name."""
    return name + IN_TRAINING * (name in train)


def draw_beliefs(name_model: NameModel, name: str) -> bytes:
    """The probability of each class after each letter of a name, a PNG.

    Raises:
        UserError: see `NameModel.beliefs`.
    """
    beliefs, classes = name_model.beliefs(name), list(name_model.class_counts)
    letters = ["start", *clean(name), "end"]
    size = (0.45 * len(letters) + 2.2, 0.26 * len(classes) + 1)
    figure = new_figure(*size)
    axes = figure.subplots()
    image = axes.imshow(beliefs.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    figure.colorbar(image, ax=axes, label="p(class | letters so far)")
    axes.set_xticks(range(len(letters)), letters, parse_math=False)
    axes.set_yticks(range(len(classes)), classes, parse_math=False)
    axes.tick_params(length=0, labelsize=9)
    return as_png(figure)
