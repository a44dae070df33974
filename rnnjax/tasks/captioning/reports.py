"""Captions and their scores: files, lines for the terminal, sections of a report and a page."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax import training
from rnnjax.metrics.attention import Region, mean_maps, word_entropies
from rnnjax.models.decoding import Search, rated_lines
from rnnjax.tasks.captioning.caption_scores import ORDERS, caption_tokens, rouge_l
from rnnjax.tasks.captioning.image_captioner import Caption, ImageCaptioner, write_and_score
from rnnjax.tasks.captioning.splits import Images, Split, split_of
from rnnjax.training import atomic_files
from rnnjax.training.reporting.report import write_results
from rnnjax.visuals.attention import draw_attention_over_image, draw_entropies, draw_mean_maps
from rnnjax.visuals.page import Section, escape, note, picture, render_page

NAMES = {f"bleu{order}": f"BLEU-{order}" for order in ORDERS} | {
    "rouge_l": "ROUGE-L",
    "cider_d": "CIDEr-D",
    "meteor": "METEOR",
    "exact": "exact captions",
    "pointing": "pointing accuracy",
}
"""How scores are called for people."""

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


def report_scores(
    captioner: ImageCaptioner, splits: Mapping[str, Images], title: str, folder: Path
) -> tuple[str, list[Section]]:
    """Writes scores_TITLE.json and captions_TITLE.json.

    Returns:
        The scores of the split as text, and for a report; of the last split also captions.
    """
    split = split_of(captioner.config, splits[title])
    captions, scores = write_and_score(split, captioner)
    files = {
        f"captions_{title}.json": captions_json(split, captions),
        f"scores_{title}.json": {"split": title, "search": captioner.search.name, **scores},
    }
    training.say(f"Scores: {write_results(folder, files)}")
    told = scores_text(scores, title, captioner.search)
    sections = [Section(f"Scores, {title}, {captioner.search.name}", text=told)]
    if title == [*splits][-1]:
        sections.append(gallery_section("Captions", split, captions, range(len(split))[:SHOWN]))
    return told, sections


def report_captions(
    split: Split, captioner: ImageCaptioner, folder: Path, output: str | None = None
) -> str:
    """Writes `captions.json` and pictures of the attention; gives captions for the terminal.

    Args:
        folder: of the run; its `predictions` take the files.
        output: another folder for them.
    """
    target = Path(output or folder / "predictions")
    with atomic_files.writing(target):
        target.mkdir(parents=True, exist_ok=True)
    captions = captioner.write(split)
    atomic_files.write_json(target / "captions.json", captions_json(split, captions))
    write_overlays(split, captions, target)
    lines = rated_lines([one.rated for one in captions], captioner.search, split.names)
    if captioner.config.resize == "crop":
        lines.append("Of each image the square in its middle was looked at (--config.resize=crop).")
    return "\n".join([*lines, f"{len(captions):,} captions: {target}"])


def report_inspection(split: Split, title: str, captioner: ImageCaptioner, folder: Path) -> str:
    """Writes `inspect.html`: the best and the worst captions, and statistics of the attention.

    Captions are ranked by ROUGE-L, equal ones by their probability.

    Args:
        split: images with references.

    Returns:
        The scores and the path, for the terminal.
    """
    captions, scores = write_and_score(split, captioner)
    told = scores_text(scores, title, captioner.search)
    some = np.linspace(0, len(split) - 1, min(INSPECTED, len(split))).astype(int).tolist()

    def rank(n: int) -> tuple[float, float]:
        return _rouge(captions[n], split.references[n]), captions[n].rated[0].log_probability

    ranked = sorted(some, key=rank, reverse=True)
    num_best = min(JUDGED, math.ceil(len(ranked) / 2))
    best, worst = ranked[:num_best], ranked[num_best:][::-1][:JUDGED]
    sections = [Section("Scores", text=told), gallery_section("Best", split, captions, best)]
    sections += [gallery_section("Worst", split, captions, worst)] if worst else []
    sections += _attention_sections([captions[n] for n in some])
    subtitle = f"{title}: {len(some)} of {len(split):,} images"
    page = render_page("Captions", subtitle, {}, sections)
    return f"{told}\n{title}: {write_results(folder, {'inspect.html': page})}"


def scores_text(scores: Mapping[str, Any], title: str, search: Search) -> str:
    """Scores as lines for the terminal."""
    shown = {name: scores[key] for key, name in NAMES.items() if scores.get(key) is not None}
    lines = [f"{name:18}{value:7.2f}" for name, value in shown.items()]
    lines.append(f"{'nats/word':18}{scores['loss']:9.4f}")
    if scores["no_meteor"]:
        lines.append(f"no METEOR: {scores['no_meteor']}")
    return "\n".join([f"{title}, {search.name}:", *lines])


def captions_json(split: Split, captions: Sequence[Caption]) -> list[dict[str, Any]]:
    """Each image with its caption, for a JSON file."""
    return [
        {
            "image": name,
            "caption": caption.text,
            "log_probability": caption.rated[0].log_probability,
            "others": [one._asdict() for one in caption.rated[1:]],
        }
        for name, caption in zip(split.names, captions, strict=True)
    ]


def write_overlays(split: Split, captions: Sequence[Caption], folder: Path) -> None:
    """Writes for each image a picture of the attention, word by word."""
    for n, (name, caption) in enumerate(zip(split.names, captions, strict=True)):
        words, _, maps, gates = caption
        if maps is not None and words:
            png = draw_attention_over_image(
                split.show(n), words, maps, gates=gates, title=caption.text
            )
            atomic_files.write_bytes(folder / f"{n:04d}_{Path(name).stem}.png", png)


def gallery_section(
    title: str, split: Split, captions: Sequence[Caption], some: Sequence[int]
) -> Section:
    """Images with their attention, below each its references and scores.

    Args:
        some: numbers of those that are shown, in this order; without attention, only the image.
    """
    attentive = [n for n in some if captions[n].maps is not None]
    told = [LIGHT] if attentive else []
    told += [GATE] if any(captions[n].gates is not None for n in attentive) else []
    told += [BOXES] if any(_boxes(split, captions[n], n) is not None for n in attentive) else []
    legend = note(" ".join(told)) if told else ""
    return Section(title, html=legend + "".join(_figure(split, captions[n], n) for n in some))


def _attention_sections(captions: Sequence[Caption]) -> list[Section]:
    """The entropy of the attention at each word, and mean maps; none where there are no maps."""
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


def _rouge(caption: Caption, references: Sequence[str]) -> float:
    """ROUGE-L with the references, in percent."""
    known = [tokens for text in references if (tokens := caption_tokens(text))]
    return 100 * rouge_l([caption_tokens(caption.text)], [known])


def _boxes(split: Split, caption: Caption, n: int) -> Sequence[Region] | None:
    """The regions that the words refer to, if the caption equals the first reference."""
    if split.regions is None or caption.text != split.references[n][0]:
        return None
    return split.regions[n]


def _figure(split: Split, caption: Caption, n: int) -> str:
    words, rated, maps, gates = caption
    image, title, references = split.show(n), caption.text, split.references[n]
    if maps is None:
        png = draw_attention_over_image(image, (), np.zeros((0, 1, 1)), title=title)
    else:
        boxes = _boxes(split, caption, n)
        png = draw_attention_over_image(image, words, maps, gates=gates, boxes=boxes, title=title)
    facts = [Path(split.names[n]).name]
    facts += [f"ROUGE-L {_rouge(caption, references):.1f}"] if references else []
    facts.append(f"log-probability {rated[0].log_probability:.2f}")
    listed = "".join(f"<li>{escape(text)}</li>" for text in references)
    below = note(", ".join(facts))
    below += f"Reference captions:<ul>{listed}</ul>" if references else ""
    return f"<figure>{picture(title, png)}<figcaption>{below}</figcaption></figure>"
