"""Captions and their scores as files and as lines for the terminal."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rnnjax.tasks.captioning.image_captioner import Caption
from rnnjax.tasks.captioning.pages import CaptionPrediction, caption_page
from rnnjax.tasks.captioning.scenes import grammar
from rnnjax.tasks.captioning.scoring import SplitScores
from rnnjax.tasks.captioning.splits import Split
from rnnjax.training import atomic_files
from rnnjax.visuals.attention import draw_attention_over_image

SHOWN = 200
"""Number of captions on the page of an inspection."""


def scores_text(scores: SplitScores, title: str) -> str:
    """Scores as lines for the terminal."""
    rows = scores.captions.by_name() | {"exact captions": 100 * scores.exact}
    if scores.pointing is not None:
        rows["pointing accuracy"] = 100 * scores.pointing.accuracy
    lines = [f"{name:18}{value:7.2f}" for name, value in rows.items()]
    lines.append(f"{'nats/word':18}{scores.loss:9.4f}")
    if scores.captions.no_meteor:
        lines.append(f"no METEOR: {scores.captions.no_meteor}")
    return "\n".join([f"{title}:", *lines])


def write_scores(scores: SplitScores, title: str, folder: Path) -> None:
    """Writes `scores.json`, to a folder made if need be."""
    found = scores.captions._asdict() | {"exact": scores.exact, "loss": scores.loss}
    if scores.pointing is not None:
        found["pointing"] = scores.pointing.accuracy
    atomic_files.write_json(_made(folder) / "scores.json", {"split": title, **found})


def write_captions(split: Split, captions: Sequence[Caption], folder: Path) -> None:
    """Writes `captions.json`, each image with its caption, to a folder made if need be."""
    found = [
        {"image": name, "caption": caption.text, "log_probability": caption.log_probability}
        for name, caption in zip(split.names, captions, strict=True)
    ]
    atomic_files.write_json(_made(folder) / "captions.json", found)


def write_overlays(split: Split, captions: Sequence[Caption], folder: Path) -> None:
    """Writes for each image a picture of the attention, word by word."""
    for n, (name, caption) in enumerate(zip(split.names, captions, strict=True)):
        words, _, maps, gates = caption
        if maps is not None and words:
            png = draw_attention_over_image(
                split.show(n), words, maps, gates=gates, title=caption.text
            )
            atomic_files.write_bytes(folder / f"{n:04d}_{Path(name).stem}.png", png)


def caption_predictions(
    split: Split, captions: Sequence[Caption], indices: Iterable[int]
) -> list[CaptionPrediction]:
    """Some images of a split with their captions, for `pages`.

    Boxes are drawn where the caption is the first reference word for word.
    """
    shown = []
    for n in indices:
        references, boxes = split.references[n], None
        if split.regions is not None and captions[n].text == references[0]:
            boxes = split.regions[n]
        name = Path(split.names[n]).name
        shown.append(CaptionPrediction(split.show(n), captions[n], references, boxes, name))
    return shown


def write_inspection(
    split: Split, captions: Sequence[Caption], scores: SplitScores, title: str, folder: Path
) -> str:
    """Writes `inspect.html`: the best and the worst captions, and statistics of the attention.

    Args:
        split: images with references.
        captions: of all of them.
        scores: of all of them.
        title: the name of the split.
        folder: where the file goes; made if need be.

    Returns:
        A line for the terminal.
    """
    some = np.linspace(0, len(split) - 1, min(SHOWN, len(split))).astype(int).tolist()
    groups = None
    if split.regions is not None:
        groups = {
            "colours": grammar.COLOURS,
            "digits": (*grammar.SINGULAR, *grammar.PLURAL),
            "relations": sum(grammar.RELATIONS, ()),
        }
    page = caption_page(
        caption_predictions(split, captions, some),
        f"{title}: {len(some)} of {len(split):,} images",
        scores=scores.captions,
        groups=groups,
    )
    path = _made(folder) / "inspect.html"
    atomic_files.write_text(path, page)
    return f"{title}: {path}"


def _made(folder: Path) -> Path:
    with atomic_files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder
