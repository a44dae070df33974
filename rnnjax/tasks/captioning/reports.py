"""Captions and their scores as files, as lines for the terminal and as sections of a report."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rnnjax import training
from rnnjax.data.images import ResizePolicy
from rnnjax.models.decoding import rated_lines
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.evaluation import SplitScores, write_and_score
from rnnjax.tasks.captioning.image_captioner import Caption, ImageCaptioner
from rnnjax.tasks.captioning.pages import (
    CaptionPrediction,
    caption_page,
    caption_scores_section,
    gallery_section,
)
from rnnjax.tasks.captioning.scenes import grammar
from rnnjax.tasks.captioning.splits import Split, held_out_splits, load_split
from rnnjax.training import atomic_files
from rnnjax.training.atomic_files import as_json
from rnnjax.training.reporting.results import write_results
from rnnjax.visuals.attention import draw_attention_over_image

SHOWN = 12
"""Captions of the report."""

INSPECTED = 200
"""Number of captions on the page of an inspection."""


def report_held_out(
    config: CaptionerConfig, captioner: ImageCaptioner, folder: Path
) -> list[training.Section]:
    """Says how good the captions of the held-out splits are; writes `scores.json` of the last one.

    Args:
        config: of the run.
        captioner: the model.
        folder: where the file goes.

    Returns:
        The scores of each split, and captions of the last one.
    """
    sections = []
    for title in held_out_splits(config):
        split = load_split(config, title)
        captions, scores = write_and_score(split, captioner)
        training.tell(scores_text(scores, title))
        said = write_results(folder, {"scores.json": scores_json(scores, title)})
        if said != str(folder / "scores.json"):
            training.say(said)
        sections.append(caption_scores_section(scores.captions, f"Scores, {title}"))
    shown = caption_predictions(split, captions, range(min(SHOWN, len(split))))
    return [*sections, gallery_section("Captions", shown)]


def report_scores(split: Split, title: str, captioner: ImageCaptioner, folder: Path) -> str:
    """Writes `scores_TITLE.json` and `captions_TITLE.json`; gives the scores for the terminal."""
    captions, scores = write_and_score(split, captioner)
    files = {
        f"captions_{title}.json": captions_json(split, captions),
        f"scores_{title}.json": scores_json(scores, title),
    }
    training.say(f"Scores: {write_results(folder, files)}")
    return scores_text(scores, title)


def report_captions(
    split: Split,
    captioner: ImageCaptioner,
    folder: Path,
    output: str | None = None,
    *,
    resize: ResizePolicy,
) -> str:
    """Writes `captions.json` and pictures of the attention; gives captions for the terminal.

    Args:
        split: the images.
        captioner: the model.
        folder: of the run; its `predictions` take the files.
        output: another folder for them.
        resize: how images were made square.
    """
    target = Path(output or folder / "predictions")
    with atomic_files.writing(target):
        target.mkdir(parents=True, exist_ok=True)
    captions = captioner.write(split)
    atomic_files.write_text(target / "captions.json", captions_json(split, captions))
    write_overlays(split, captions, target)
    lines = rated_lines([one.rated for one in captions], captioner.search, split.names)
    if resize == "crop":
        lines.append("Of each image the square in its middle was looked at (--config.resize=crop).")
    return "\n".join([*lines, f"{len(captions):,} captions: {target}"])


def report_inspection(split: Split, title: str, captioner: ImageCaptioner, folder: Path) -> str:
    """Writes `inspect.html` of a split; gives its scores and the path for the terminal."""
    captions, scores = write_and_score(split, captioner)
    page = write_inspection(split, captions, scores, title, folder)
    return f"{scores_text(scores, title)}\n{page}"


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


def scores_json(scores: SplitScores, title: str) -> str:
    """The scores of a split as JSON, shares in percent."""
    found = scores.captions._asdict() | {"exact": 100 * scores.exact, "loss": scores.loss}
    if scores.pointing is not None:
        found["pointing"] = 100 * scores.pointing.accuracy
    return as_json({"split": title, **found})


def captions_json(split: Split, captions: Sequence[Caption]) -> str:
    """Each image with its caption as JSON."""
    found = [
        {
            "image": name,
            "caption": caption.text,
            "log_probability": caption.rated[0].log_probability,
            "others": [one._asdict() for one in caption.rated[1:]],
        }
        for name, caption in zip(split.names, captions, strict=True)
    ]
    return as_json(found)


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
    some = np.linspace(0, len(split) - 1, min(INSPECTED, len(split))).astype(int).tolist()
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
    return f"{title}: {write_results(folder, {'inspect.html': page})}"
