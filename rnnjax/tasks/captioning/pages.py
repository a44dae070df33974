"""What a captioner wrote, how good it is and where it looked, as a page."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from rnnjax.tasks.captioning.attention_pictures import (
    draw_mean_maps,
    draw_word_entropies,
    mean_maps,
    word_entropies,
)
from rnnjax.tasks.captioning.caption_scores import CaptionScores, caption_tokens
from rnnjax.tasks.captioning.overlays import Captioned, attention_overlay
from rnnjax.tasks.captioning.pointing import Pointing, pointing_accuracy
from rnnjax.tasks.captioning.rouge import rouge_l
from rnnjax.visuals.page import Section, escape, picture, render_page, table

FREQUENT = 7
"""Of so many words the mean map is shown unless others are chosen."""


def caption_page(
    captioned: Sequence[Captioned],
    subtitle: str,
    *,
    scores: CaptionScores | None = None,
    groups: Mapping[str, Collection[str]] | None = None,
    num_shown: int = 6,
) -> str:
    """A page about captions: scores, the best and the worst with overlays, and the attention.

    Good and bad are told apart by ROUGE-L, the likelier first where it is the same; captions
    without references are not judged, and if none is, the first are shown.

    Args:
        captioned: images with their captions.
        subtitle: says which images, and by which model.
        scores: of all captions, by `rnnjax.tasks.captioning.caption_scores.caption_scores`.
        groups: words by the name of their group, of which the mean map is shown. None: each of the
            most frequent words.
        num_shown: so many of the best and of the worst captions are shown.
    """
    sections = [] if scores is None else [caption_scores_section(scores)]
    judged = sorted((one for one in captioned if one.references), key=_worth, reverse=True)
    if judged:
        num_best = min(num_shown, math.ceil(len(judged) / 2))
        worst = judged[num_best:][::-1][:num_shown]
        sections.append(gallery_section("Best", judged[:num_best]))
        sections += [gallery_section("Worst", worst)] if worst else []
    else:
        sections.append(gallery_section("Captions", captioned[:num_shown]))
    sections += attention_sections(captioned, groups)
    return render_page("Captions", subtitle, _cards(captioned), sections)


def caption_scores_section(scores: CaptionScores, title: str = "Scores") -> Section:
    """A table of caption scores in percent; where METEOR is missing it says why.

    Args:
        scores: from `rnnjax.tasks.captioning.caption_scores.caption_scores`.
        title: of the section.
    """
    numbers = {f"BLEU-{n}": score for n, score in enumerate(scores[:4], 1)}
    numbers |= {"ROUGE-L": scores.rouge_l, "CIDEr-D": scores.cider_d}
    rows = {name: f"{score:.2f}" for name, score in numbers.items()}
    rows["METEOR"] = f"{scores.no_meteor}" if scores.meteor is None else f"{scores.meteor:.2f}"
    return Section(title, html=table(rows))


def gallery_section(title: str, captioned: Sequence[Captioned]) -> Section:
    """Overlays, below each what people wrote and how well that was met.

    Args:
        title: of the section.
        captioned: shown in this order; without maps, only the image.
    """
    return Section(title, html="".join(map(_figure, captioned)))


def attention_sections(
    captioned: Sequence[Captioned], groups: Mapping[str, Collection[str]] | None = None
) -> list[Section]:
    """How pointed attention is at each word, and where it lies on average.

    Args:
        captioned: those without maps are left out.
        groups: words by the name of their group; None: each of the most frequent words.

    Returns:
        No sections where there are no maps.

    Raises:
        UserError: the maps are not all of one size.
    """
    entropies = word_entropies(captioned)
    if groups is None:
        frequent = sorted(entropies, key=lambda one: (-one.occurrences, one.word))[:FREQUENT]
        groups = {one.word: {one.word} for one in frequent}
    means = mean_maps(captioned, groups)
    if not means:
        return []
    return [
        Section(
            "Entropy of the attention",
            html='<p class="soft">Of the most frequent words, how often each was written in '
            "brackets. The shorter the bar, the fewer places the model looked at.</p>",
            png=draw_word_entropies(entropies, means["all words"].size),
        ),
        Section(
            "Most attended regions",
            html='<p class="soft">The mean of the attention maps over all images.</p>',
            png=draw_mean_maps(means),
        ),
    ]


def _cards(captioned: Sequence[Captioned]) -> dict[str, str]:
    cards = {"captions": f"{len(captioned):,}"}
    judged = [one for one in captioned if one.references]
    if judged:
        exact = sum(
            caption_tokens(" ".join(one.words)) in map(caption_tokens, one.references)
            for one in judged
        )
        cards["word for word as a reference"] = f"{exact / len(judged):.1%}"
    places = [
        pointing_accuracy(one.maps, one.boxes, one.image.shape[:2])
        for one in captioned
        if one.maps is not None and one.boxes is not None
    ]
    total = Pointing(*np.sum(places, axis=0)) if places else Pointing(0, 0)
    if total.counted:
        cards[f"pointing accuracy, {total.counted:,} words"] = f"{total.accuracy:.1%}"
    return cards


def _agreement(one: Captioned) -> float:
    """ROUGE-L with the references, in percent."""
    references = [tokens for text in one.references if (tokens := caption_tokens(text))]
    return 100 * rouge_l([caption_tokens(" ".join(one.words))], [references])


def _worth(one: Captioned) -> tuple[float, float]:
    return _agreement(one), -math.inf if one.log_probability is None else one.log_probability


def _figure(one: Captioned) -> str:
    caption = " ".join(one.words)
    if one.maps is None:
        png = attention_overlay(one.image, (), np.zeros((0, 1, 1)), title=caption)
    else:
        png = attention_overlay(
            one.image, one.words, one.maps, gates=one.gates, boxes=one.boxes, title=caption
        )
    facts = [one.name] if one.name else []
    facts += [f"ROUGE-L {_agreement(one):.1f}"] if one.references else []
    if one.log_probability is not None:
        facts.append(f"log-probability {one.log_probability:.2f}")
    references = "".join(f"<li>{escape(text)}</li>" for text in one.references)
    below = f'<p class="soft">{escape(", ".join(facts))}</p>' if facts else ""
    below += f"<ul>{references}</ul>" if references else ""
    return f"<figure>{picture(caption, png)}<figcaption>{below}</figcaption></figure>"
