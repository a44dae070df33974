"""What a captioner wrote and how good it is, as files and as lines for the terminal."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnjax.tasks.captioning.image_captioner import Caption
from rnnjax.tasks.captioning.overlays import Captioned, attention_overlay
from rnnjax.tasks.captioning.pages import caption_page
from rnnjax.tasks.captioning.scenes import grammar
from rnnjax.tasks.captioning.scoring import SplitScores
from rnnjax.tasks.captioning.splits import Split
from rnnjax.training import atomic_files

SHOWN = 200
"""Captions that are read for the page of an inspection."""


def scores_text(scores: SplitScores, title: str) -> str:
    """Scores as lines for the terminal."""
    rows = {f"BLEU-{n}": score for n, score in enumerate(scores.captions[:4], 1)}
    rows |= {"ROUGE-L": scores.captions.rouge_l, "CIDEr-D": scores.captions.cider_d}
    if scores.captions.meteor is not None:
        rows["METEOR"] = scores.captions.meteor
    rows["exact captions"] = 100 * scores.exact
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
    """Writes for each image a picture of where the captioner looked, word by word."""
    for n, (name, caption) in enumerate(zip(split.names, captions, strict=True)):
        if caption.maps is not None and caption.words:
            png = attention_overlay(
                split.show(n),
                caption.words,
                caption.maps,
                gates=caption.gates,
                title=caption.text,
            )
            atomic_files.write_bytes(folder / f"{n:04d}_{Path(name).stem}.png", png)


def captioned(split: Split, captions: Sequence[Caption], indices: Sequence[int]) -> list[Captioned]:
    """Some images with their captions, as the pages show them.

    Boxes are drawn where the caption is the reference word for word.
    """
    shown = []
    for n in indices:
        caption = captions[n]
        references = split.references[n]
        boxes = None
        if split.regions is not None and caption.text == references[0]:
            boxes = split.regions[n]
        shown.append(
            Captioned(
                image=split.show(n),
                words=caption.words,
                maps=caption.maps,
                gates=caption.gates,
                log_probability=caption.log_probability,
                references=references,
                boxes=boxes,
                name=Path(split.names[n]).name,
            )
        )
    return shown


def write_inspection(
    split: Split, captions: Sequence[Caption], scores: SplitScores, title: str, folder: Path
) -> str:
    """Writes `inspect.html`: captions good and bad, and how the attention behaves.

    Args:
        split: images with references.
        captions: of all of them.
        scores: of all of them.
        title: which split that is.
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
        captioned(split, captions, some),
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
