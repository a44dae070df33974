"""Captions and their scores: files, lines for the terminal, sections of a report and a page."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax import training
from rnnjax.metrics.attention import Region, mean_maps, word_entropies
from rnnjax.models.decoding import Search, rated_lines
from rnnjax.tasks.captioning.caption_scores import CaptionScores, caption_tokens, rouge_l
from rnnjax.tasks.captioning.image_captioner import (
    Caption,
    ImageCaptioner,
    SplitScores,
    write_and_score,
)
from rnnjax.tasks.captioning.splits import Split, held_out_splits, load_split
from rnnjax.training import atomic_files
from rnnjax.training.atomic_files import as_json
from rnnjax.training.reporting.report import write_results
from rnnjax.visuals.attention import draw_attention_over_image, draw_entropies, draw_mean_maps
from rnnjax.visuals.page import Section, escape, note, picture, render_page, table

SHOWN = 12
"""Captions of the report."""

INSPECTED = 200
"""Number of captions on the page of an inspection."""

JUDGED = 6
"""So many of the best and of the worst captions are shown there."""

FREQUENT = 7
"""The mean map is shown of so many words."""

LIGHT = (
    "The brighter a place, the more attention it has at the word above, compared with the others."
)
GATE = (
    "β is the gating scalar: the attended features are multiplied by it, so that a word with a "
    "small β depends little on the image."
)
BOXES = "Outlined: what the word refers to."


class CaptionPrediction(NamedTuple):
    """An image with the caption that a model wrote.

    Attributes:
        image: uint8 `[H, W, 3]`, as the model's encoder saw it: resized and cropped.
        caption: its words, log-probability and attention.
        references: captions by people.
        boxes: for each word, what it refers to, in pixels of the image, if that is known.
        name: of the image, such as its file.
    """

    image: np.ndarray
    caption: Caption
    references: Sequence[str] = ()
    boxes: Sequence[Region] | None = None
    name: str = ""


def report_held_out(captioner: ImageCaptioner, folder: Path) -> list[Section]:
    """Says how good the captions of the held-out splits are; writes the files of `report_scores`.

    Returns:
        The scores of each split, and captions of the last one.
    """
    sections = []
    for title in held_out_splits(captioner.config):
        split = load_split(captioner.config, title)
        told, captions, scores = report_scores(split, title, captioner, folder)
        training.tell(told)
        heading = f"Scores, {title}, {captioner.search.name}"
        sections.append(caption_scores_section(scores.captions, heading))
    shown = caption_predictions(split, captions, range(min(SHOWN, len(split))))
    return [*sections, gallery_section("Captions", shown)]


def report_scores(
    split: Split, title: str, captioner: ImageCaptioner, folder: Path
) -> tuple[str, Sequence[Caption], SplitScores]:
    """Writes `scores_TITLE.json` and `captions_TITLE.json`.

    Returns:
        The scores for the terminal; the captions, and their scores.
    """
    captions, scores = write_and_score(split, captioner)
    files = {
        f"captions_{title}.json": captions_json(split, captions),
        f"scores_{title}.json": scores_json(scores, title, captioner.search),
    }
    training.say(f"Scores: {write_results(folder, files)}")
    return scores_text(scores, title, captioner.search), captions, scores


def report_captions(
    split: Split, captioner: ImageCaptioner, folder: Path, output: str | None = None
) -> str:
    """Writes `captions.json` and pictures of the attention; gives captions for the terminal.

    Args:
        split: the images.
        captioner: the model.
        folder: of the run; its `predictions` take the files.
        output: another folder for them.
    """
    target = Path(output or folder / "predictions")
    with atomic_files.writing(target):
        target.mkdir(parents=True, exist_ok=True)
    captions = captioner.write(split)
    atomic_files.write_text(target / "captions.json", captions_json(split, captions))
    write_overlays(split, captions, target)
    lines = rated_lines([one.rated for one in captions], captioner.search, split.names)
    if captioner.config.resize == "crop":
        lines.append("Of each image the square in its middle was looked at (--config.resize=crop).")
    return "\n".join([*lines, f"{len(captions):,} captions: {target}"])


def report_inspection(split: Split, title: str, captioner: ImageCaptioner, folder: Path) -> str:
    """Writes `inspect.html`: the best and the worst captions, and statistics of the attention.

    Args:
        split: images with references.
        title: the name of the split.
        captioner: the model.
        folder: where the file goes; made if need be.

    Returns:
        The scores and the path, for the terminal.
    """
    captions, scores = write_and_score(split, captioner)
    some = np.linspace(0, len(split) - 1, min(INSPECTED, len(split))).astype(int).tolist()
    cards = {"captions": f"{len(split):,}", "exact captions": f"{scores.exact:.1%}"}
    if scores.pointing is not None:
        cards["pointing accuracy"] = f"{scores.pointing.accuracy:.1%}"
    page = caption_page(
        caption_predictions(split, captions, some),
        f"{title}: {len(some)} of {len(split):,} images",
        cards,
        scores.captions,
    )
    said = write_results(folder, {"inspect.html": page})
    return f"{scores_text(scores, title, captioner.search)}\n{title}: {said}"


def scores_text(scores: SplitScores, title: str, search: Search) -> str:
    """Scores as lines for the terminal."""
    rows = scores.captions.by_name() | {"exact captions": 100 * scores.exact}
    if scores.pointing is not None:
        rows["pointing accuracy"] = 100 * scores.pointing.accuracy
    lines = [f"{name:18}{value:7.2f}" for name, value in rows.items()]
    lines.append(f"{'nats/word':18}{scores.loss:9.4f}")
    if scores.captions.no_meteor:
        lines.append(f"no METEOR: {scores.captions.no_meteor}")
    return "\n".join([f"{title}, {search.name}:", *lines])


def scores_json(scores: SplitScores, title: str, search: Search) -> str:
    """The scores of a split as JSON, shares in percent."""
    found = scores.captions._asdict() | {"exact": 100 * scores.exact, "loss": scores.loss}
    if scores.pointing is not None:
        found["pointing"] = 100 * scores.pointing.accuracy
    return as_json({"split": title, "search": search.name, **found})


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
    """Some images of a split with their captions, to be shown.

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


def caption_page(
    predictions: Sequence[CaptionPrediction],
    subtitle: str,
    cards: Mapping[str, str],
    scores: CaptionScores,
) -> str:
    """A page about captions: scores, the best and the worst with overlays, and the attention.

    Captions are ranked by ROUGE-L, equal ones by their probability.

    Args:
        predictions: images with their captions and with references.
        subtitle: names the images and the model.
        cards: numbers by name, above all else.
        scores: of all captions.
    """
    ranked = sorted(
        predictions,
        key=lambda one: (_rouge(one), one.caption.rated[0].log_probability),
        reverse=True,
    )
    num_best = min(JUDGED, math.ceil(len(ranked) / 2))
    worst = ranked[num_best:][::-1][:JUDGED]
    sections = [caption_scores_section(scores), gallery_section("Best", ranked[:num_best])]
    sections += [gallery_section("Worst", worst)] if worst else []
    sections += _attention_sections(predictions)
    return render_page("Captions", subtitle, cards, sections)


def caption_scores_section(scores: CaptionScores, title: str = "Scores") -> Section:
    """A table of caption scores in percent; where METEOR is missing it says why."""
    rows = {name: f"{score:.2f}" for name, score in scores.by_name().items()}
    return Section(title, html=table({**rows, "METEOR": rows.get("METEOR", scores.no_meteor)}))


def gallery_section(title: str, predictions: Sequence[CaptionPrediction]) -> Section:
    """Images with their attention, below each its references and scores.

    Args:
        title: of the section.
        predictions: shown in this order; without attention, only the image.
    """
    attentive = [one for one in predictions if one.caption.maps is not None]
    told = [LIGHT] if attentive else []
    told += [GATE] if any(one.caption.gates is not None for one in attentive) else []
    told += [BOXES] if any(one.boxes is not None for one in attentive) else []
    legend = note(" ".join(told)) if told else ""
    return Section(title, html=legend + "".join(map(_figure, predictions)))


def _attention_sections(predictions: Sequence[CaptionPrediction]) -> list[Section]:
    """The entropy of the attention at each word, and mean maps; none where there are no maps."""
    captions = [one.caption for one in predictions]
    texts = [(one.words, one.maps) for one in captions if one.maps is not None]
    entropies = word_entropies(texts)
    frequent = sorted(entropies, key=lambda one: (-one.occurrences, one.word))[:FREQUENT]
    means = mean_maps(texts, [one.word for one in frequent])
    if not means:
        return []
    return [
        Section(
            "Entropy of the attention",
            html=note(
                "Of the most frequent words, how often each was written in brackets. The shorter "
                "the bar, the fewer places the model looked at."
            ),
            png=draw_entropies(entropies, means["all words"].size),
        ),
        Section(
            "Most attended regions",
            html=note("The mean of the attention maps over all images."),
            png=draw_mean_maps(means),
        ),
    ]


def _rouge(one: CaptionPrediction) -> float:
    """ROUGE-L with the references, in percent."""
    references = [tokens for text in one.references if (tokens := caption_tokens(text))]
    return 100 * rouge_l([caption_tokens(one.caption.text)], [references])


def _figure(one: CaptionPrediction) -> str:
    words, rated, maps, gates = one.caption
    title = one.caption.text
    if maps is None:
        png = draw_attention_over_image(one.image, (), np.zeros((0, 1, 1)), title=title)
    else:
        png = draw_attention_over_image(
            one.image, words, maps, gates=gates, boxes=one.boxes, title=title
        )
    facts = [one.name] if one.name else []
    facts += [f"ROUGE-L {_rouge(one):.1f}"] if one.references else []
    facts.append(f"log-probability {rated[0].log_probability:.2f}")
    references = "".join(f"<li>{escape(text)}</li>" for text in one.references)
    below = note(", ".join(facts))
    below += f"Reference captions:<ul>{references}</ul>" if references else ""
    return f"<figure>{picture(title, png)}<figcaption>{below}</figcaption></figure>"
