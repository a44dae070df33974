"""Scores of whole videos and of their beginnings, pictures of them, and a baseline."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rnnjax import training, visuals
from rnnjax.metrics.classes import confusions
from rnnjax.tasks.activity.activity_model import ActivityModel
from rnnjax.tasks.activity.clips import Clip, features
from rnnjax.training.reporting.progress import aligned

PERCENTS = tuple(range(10, 101, 10))
SHOWN = 3
"""Classes in the picture of one video, at most."""


def early_curves(model: ActivityModel, clips: Sequence[Clip]) -> dict[str, np.ndarray]:
    """Percent of videos that are recognised by the first 10, 20, ... 100 % of their frames.

    Returns:
        By name `[10]`: `class`; of the moving digits also `digit` and `motion` by themselves.
    """
    classes = np.array(model.videos.classes)
    true = np.array([clip.label for clip in clips])
    found = [classes[model.classify(clips, percent=p).argmax(axis=-1)] for p in PERCENTS]
    curves = {"class": [np.mean(true == its) for its in found]}
    if model.config.data == "embedded":
        for part, at in (("digit", 0), ("motion", 2)):
            curves[part] = [
                np.mean([t.partition(" ")[at] == f.partition(" ")[at]
                         for t, f in zip(true, its, strict=True)])
                for its in found
            ]  # fmt: skip
    return {name: 100 * np.array(curve) for name, curve in curves.items()}


def mean_frame_accuracy(splits: Mapping[str, Sequence[Clip]], split: str) -> float:
    """Percent of a split that logistic regression on the mean of the frames gets right.

    It knows what is seen and where, and not in which order.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def means(clips: Sequence[Clip]) -> np.ndarray:
        return np.stack([features(clip.frames).mean(axis=0).ravel() for clip in clips])

    def labels(clips: Sequence[Clip]) -> list[str]:
        return [clip.label for clip in clips]

    baseline = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=3000))
    baseline.fit(means(splits["train"]), labels(splits["train"]))
    return 100 * baseline.score(means(splits[split]), labels(splits[split]))


def report_scores(
    model: ActivityModel, splits: Mapping[str, Sequence[Clip]], split: str, folder: Path
) -> tuple[str, list[training.Section]]:
    """The accuracy of a split, whole and early, and pictures: the curve, and the confusions.

    Writes `confusion_SPLIT.png` and `early_recognition_SPLIT.png` into the folder.
    """
    clips, classes = splits[split], model.videos.classes
    curves = early_curves(model, clips)
    right = curves["class"]
    title = f"{split}: {right[-1]:.2f} % of {len(clips):,} videos right"
    text = (
        f"{title}, {right[PERCENTS.index(50)]:.2f} % at half of the frames; logistic regression on "
        f"the mean frame: {mean_frame_accuracy(splits, split):.2f} %"
    )
    rows = [("seen, %", *(f"{name} right" for name in curves))]
    rows += [(str(p), *(f"{c[n]:.2f}" for c in curves.values())) for n, p in enumerate(PERCENTS)]
    table = aligned(rows, numbers=range(len(rows[0])))
    picture = visuals.draw_lines(
        {"early recognition": {name: (PERCENTS, curve) for name, curve in curves.items()}},
        "frames seen, % of the video",
        "videos right, %",
        limits=(0, 103),
    )
    found = [classes[k] for k in model.classify(clips).argmax(axis=-1)]
    counts = confusions([clip.label for clip in clips], found, classes)
    confusion = visuals.draw_confusion(classes, counts)
    files = {f"confusion_{split}.png": confusion, f"early_recognition_{split}.png": picture}
    path = training.write_results(folder, files)
    return f"{text}\n{table}\nPicture: {path}", [
        training.Section(f"Early recognition, {split}", text=text, table=table, png=picture),
        training.Section(title, png=confusion),
    ]


def draw_over_time(model: ActivityModel, clip: Clip) -> bytes:
    """Draws the probability of the likeliest classes and of the true one, as a PNG file.

    It is drawn against the frames seen.
    """
    steps = np.arange(1, len(clip.frames) + 1)
    begun = [clip._replace(frames=clip.frames[:step]) for step in steps.tolist()]
    found = model.classify(begun)
    classes, likeliest = model.videos.classes, np.argsort(-found.max(axis=0))[:SHOWN]
    shown = {*likeliest.tolist(), *(k for k, name in enumerate(classes) if name == clip.label)}
    lines = {classes[k]: (steps, found[:, k]) for k in sorted(shown)}
    title = f"true: {clip.label}" if clip.label else clip.name
    return visuals.draw_lines({title: lines}, "frames seen", "probability", limits=(0, 1.03))


def predict_clips(model: ActivityModel, clips: Sequence[Clip]) -> str:
    """The likeliest class of each video and of its first half, a line each."""
    lines = []
    whole, half = (model.classify(clips, percent=percent) for percent in (100, 50))
    for clip, last, early in zip(clips, whole, half, strict=True):
        names = [f"{model.videos.classes[row.argmax()]} ({row.max():.1%})" for row in (last, early)]
        lines.append(f"{clip.name}: {names[0]}; at half of the frames: {names[1]}")
    return "\n".join(lines)
