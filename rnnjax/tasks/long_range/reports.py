"""Scores by distance, an example step by step, and cells side by side."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rnnjax import training
from rnnjax.data.padded_batches import Examples
from rnnjax.tasks.long_range import agreement
from rnnjax.tasks.long_range.memory_model import MemoryModel, load
from rnnjax.tasks.long_range.preparation import all_of, examples_at, split_examples, test_distances
from rnnjax.training import Section
from rnnjax.training.reporting.progress import aligned
from rnnjax.visuals.page import note, render_page
from rnnjax.visuals.pictures import draw_lines

SCORE = {
    "adding": "sums right (error below 0.04), %",
    "copy": "symbols recalled, %",
    "agreement": "verbs right, %",
}
DISTANCE = {
    "adding": "numbers to read",
    "copy": "steps to wait",
    "agreement": "words between subject and verb",
}
ABOUT = {
    False: "One network a cell, trained up to the distance {}; it reads longer ones too.",
    True: "A network of its own for each cell and distance, all trained in the same way.",
}


def by_distance(model: MemoryModel) -> dict[int, dict[str, float]]:
    """The scores at each of `test_distances`."""
    return {distance: model.scores_at(distance) for distance in test_distances(model.config)}


def report_scores(
    model: MemoryModel, splits: Mapping[str, Examples], split: str, folder: Path
) -> tuple[str, list[Section]]:
    """The scores of a split beside a guess without memory, and by distance.

    Writes a picture of these, `distance_SPLIT.png`, into the folder.
    """
    config, examples = model.config, splits[split]
    found, guess = model.scores(examples), config.task.guess(all_of(examples))
    loss = "mean squared error" if config.problem == "adding" else "loss in nats"
    what = SCORE[config.problem]
    first = (
        f"{split}: {found['accuracy']:.2f} % of {what.removesuffix(', %')}; "
        f"{config.task.guess_by}: {guess:.2f}; {loss} {found['loss']:.6f}"
    )
    scores = by_distance(model)
    rows = [
        (str(distance), f"{one['accuracy']:.1f}", f"{one['loss']:.6f}")
        for distance, one in scores.items()
    ]
    text = aligned([(DISTANCE[config.problem], "right, %", loss), *rows], numbers=(0, 1, 2))
    guesses = [config.task.guess(all_of(examples_at(config, distance))) for distance in scores]
    picture = draw_lines(
        {"": {
            config.cell: (list(scores), [one["accuracy"] for one in scores.values()]),
            config.task.guess_by: (list(scores), guesses),
        }},
        DISTANCE[config.problem], what, limits=(-3, 103),
    )  # fmt: skip
    path = training.write_results(folder, {f"distance_{split}.png": picture})
    section = Section("Score by distance", table=text, png=picture)
    return f"{first}\n{text}\nPicture: {path}", [section]


def report_steps(model: MemoryModel, folder: Path, num_examples: int = 3) -> str:
    """Writes `inspect.html`: what the network says after each step of some test examples."""
    problem, sections, shown = model.config.task, [], model.config.problem
    for n, example in enumerate(all_of(split_examples(model.config, "test"))[-num_examples:], 1):
        inputs = example["inputs"]
        values = problem.curve(model.outputs(inputs), example)
        lines: dict[str, tuple] = {problem.curve_of: (range(1, len(values) + 1), values)}
        if shown == "adding":
            first, second = np.flatnonzero(inputs[:, 1])
            a, b, total = inputs[first, 0], inputs[second, 0], example["targets"]
            text = f"{a:.3f} + {b:.3f} = {total:.3f}; the network says {values[-1]:.3f}"
            lines["true sum"] = ((1, len(values)), (total, total))
            lines["first marked number"] = ((first + 1,), (a,))
            lines["second marked number"] = ((second + 1,), (b,))
        elif shown == "copy":
            text = "".join(map(str, inputs[:10]))
        else:
            text = f"{' '.join(agreement.decode(inputs))} ({agreement.VERBS[example['targets']]})"
        picture = draw_lines({"": lines}, "step", problem.curve_of)
        sections.append(Section(f"Test example {n}", text=text, png=picture))
    page = render_page("Step by step", f"{model.config.problem}, {folder}", {}, sections)
    return training.write_results(folder, {"inspect.html": page})


def report_comparison(runs: Mapping[tuple[str, int], Path], folder: Path) -> str:
    """Writes `compare.html`: how far each cell remembers.

    Args:
        runs: the workdirs of trained networks, by cell and T.

    Returns:
        A table for the terminal, and the path of the page.
    """
    models = {key: load(workdir) for key, workdir in runs.items()}
    config = next(iter(models.values())).config
    cells = list(dict.fromkeys(cell for cell, _ in runs))
    several = len(runs) > len(cells)
    scores: dict[str, dict[int, dict[str, float]]] = {cell: {} for cell in cells}
    for (cell, length), model in models.items():
        scores[cell] |= {length: model.scores_at(length)} if several else by_distance(model)
    distances = list(scores[cells[0]])
    what, unit = SCORE[config.problem], DISTANCE[config.problem]
    rows = [
        (cell, *(f"{of[distance]['accuracy']:.1f}" for distance in distances))
        for cell, of in scores.items()
    ]
    heads = ("cell", *map(str, distances))
    far = {
        cell: (distances, [one["accuracy"] for one in of.values()]) for cell, of in scores.items()
    }
    curves: dict[str, dict] = {}
    for (cell, length), workdir in runs.items():
        valid = [row for row in training.read_metrics(workdir) if row["split"] == "valid"]
        curve = [row["step"] for row in valid], [row["loss"] for row in valid]
        curves.setdefault(f"T = {length}", {})[cell] = curve
    table = aligned([heads, *rows], numbers=range(1, len(heads)))
    told = note(f"{what}, by distance: {unit}. {ABOUT[several].format(config.length)}")
    sections = [
        Section("Score by distance", table=table, html=told,
                png=draw_lines({"": far}, unit, what, limits=(-3, 103))),
        Section("Learning curves", html=note("The loss of the validation split."),
                png=draw_lines(curves, "updates", "validation loss", log=True)),
    ]  # fmt: skip
    about = (
        f"{config.problem}; {config.num_steps:,} updates of {config.batch_size} sequences each, "
        f"{config.hidden_size} units, seed {config.seed}"
    )
    page = render_page("Which cell remembers how far", about, {}, sections)
    path = training.write_results(folder, {"compare.html": page})
    return f"{what}; {unit}:\n{table}\n{path}"
