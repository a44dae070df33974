"""HTML pages about captions: scores, the best and the worst with overlays, and the attention."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.metrics.attention import (
    Pointing,
    Region,
    mean_maps,
    pointing_accuracy,
    word_entropies,
)
from rnnjax.tasks.captioning.caption_scores import CaptionScores, caption_tokens, rouge_l
from rnnjax.tasks.captioning.image_captioner import Caption
from rnnjax.visuals.attention import draw_attention_over_image, draw_entropies, draw_mean_maps
from rnnjax.visuals.page import Section, escape, note, picture, render_page, table

FREQUENT = 7
"""The mean map is shown of so many words, unless others are chosen."""

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


def caption_page(
    predictions: Sequence[CaptionPrediction],
    subtitle: str,
    *,
    scores: CaptionScores | None = None,
    groups: Mapping[str, Collection[str]] | None = None,
    num_shown: int = 6,
) -> str:
    """A page about captions: scores, the best and the worst with overlays, and the attention.

    Captions are ranked by ROUGE-L, equal ones by their probability. Captions without references are
    not ranked; if none has any, the first are shown.

    Args:
        predictions: images with their captions.
        subtitle: names the images and the model.
        scores: of all captions.
        groups: words by the name of their group, of which the mean map is shown. None: each of the
            most frequent words.
        num_shown: so many of the best and of the worst captions are shown.
    """
    sections = [] if scores is None else [caption_scores_section(scores)]
    ranked = [one for one in predictions if one.references]
    ranked.sort(key=lambda one: (_rouge(one), one.caption.rated[0].log_probability), reverse=True)
    if ranked:
        num_best = min(num_shown, math.ceil(len(ranked) / 2))
        worst = ranked[num_best:][::-1][:num_shown]
        sections.append(gallery_section("Best", ranked[:num_best]))
        sections += [gallery_section("Worst", worst)] if worst else []
    else:
        sections.append(gallery_section("Captions", predictions[:num_shown]))
    sections += _attention_sections(predictions, groups)
    return render_page("Captions", subtitle, _cards(predictions), sections)


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


def _attention_sections(
    predictions: Sequence[CaptionPrediction], groups: Mapping[str, Collection[str]] | None
) -> list[Section]:
    """The entropy of the attention at each word, and mean maps; none where there are no maps."""
    captions = [one.caption for one in predictions]
    texts = [(one.words, one.maps) for one in captions if one.maps is not None]
    entropies = word_entropies(texts)
    if groups is None:
        frequent = sorted(entropies, key=lambda one: (-one.occurrences, one.word))[:FREQUENT]
        groups = {one.word: {one.word} for one in frequent}
    means = mean_maps(texts, groups)
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


def _cards(predictions: Sequence[CaptionPrediction]) -> dict[str, str]:
    cards = {"captions": f"{len(predictions):,}"}
    ranked = [one for one in predictions if one.references]
    if ranked:
        exact = sum(
            caption_tokens(one.caption.text) in map(caption_tokens, one.references)
            for one in ranked
        )
        cards["word for word as a reference"] = f"{exact / len(ranked):.1%}"
    places = [
        pointing_accuracy(one.caption.maps, one.boxes, one.image.shape[:2])
        for one in predictions
        if one.caption.maps is not None and one.boxes is not None
    ]
    total = Pointing(*np.sum(places, axis=0)) if places else Pointing(0, 0)
    if total.counted:
        cards[f"pointing accuracy, {total.counted:,} words"] = f"{total.accuracy:.1%}"
    return cards


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
