import re

import numpy as np

from rnnjax.models.decoding import Rated
from rnnjax.tasks.captioning.caption_scores import CaptionScores
from rnnjax.tasks.captioning.image_captioner import Caption
from rnnjax.tasks.captioning.reports import (
    CaptionPrediction,
    caption_page,
    caption_scores_section,
    gallery_section,
)

IMAGE = np.full((20, 30, 3), 90, np.uint8)
LEFT, RIGHT = np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], float)
EVEN = np.full((2, 2), 0.25)


def predicted(text, maps=EVEN, *references, log_probability=-9.0, **more):
    words = text.split()
    maps = None if maps is None else np.array([EVEN] * len(words) if maps is EVEN else maps)
    caption = Caption(
        tuple(words), (Rated(" ".join(words), log_probability, log_probability),), maps, None
    )
    return CaptionPrediction(IMAGE, caption, references, **more)


SCORES = CaptionScores(60.0, 40.123, 30.0, 20.0, 45.0, 101.5, None, "no <Java>")


def figures(page):
    """By the heading of its section, the alternative text of each picture."""
    parts = re.split(r"<h2>(.*?)</h2>", page)[1:]
    return {
        title: re.findall(r'<img alt="(.*?)"', body)
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


def cards(page):
    return {name: value for value, name in re.findall(r"<b>(.*?)</b><span>(.*?)</span>", page)}


JUDGED = [
    predicted("a cat sleeps", EVEN, "two dogs run", log_probability=-1.0),
    predicted("A dog runs", EVEN, "a dog runs.", "<b>no</b>", log_probability=-3.0),
    predicted("a dog", EVEN, "a dog", log_probability=-2.0, name="x&y.jpg"),
    predicted("a dog sits", EVEN, "a dog runs", log_probability=-2.5),
]


def page_of(predictions, subtitle=""):
    return caption_page(predictions, subtitle, {"captions": "5"}, SCORES)


def test_the_best_and_the_worst_captions_are_shown_with_their_references():
    page = page_of(JUDGED, "<i>test")
    shown = figures(page)
    assert shown["Best"] == ["a dog", "A dog runs"]
    assert shown["Worst"] == ["a cat sleeps", "a dog sits"]
    assert "<li>two dogs run</li>" in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "x&amp;y.jpg, ROUGE-L 100.0, log-probability -2.00" in page
    assert "ROUGE-L 66.7, log-probability -2.50" in page
    assert "<i>" not in page
    assert "<td>40.12</td>" in page
    assert cards(page) == {"captions": "5"}
    assert {"Entropy of the attention", "Most attended regions"} < shown.keys()


def test_no_caption_is_both_among_the_best_and_the_worst():
    shown = figures(page_of(JUDGED[:3]))
    assert shown["Best"] == ["a dog", "A dog runs"]
    assert shown["Worst"] == ["a cat sleeps"]
    assert "Worst" not in figures(page_of(JUDGED[:1]))


def test_a_page_without_attention_shows_the_images_alone():
    page = page_of([predicted("a cat", None, "a dog")])
    assert {title for title, shown in figures(page).items() if shown} == {"Best"}


def test_references_beta_and_boxes_are_explained_where_they_are_shown():
    left = [(0, 0, 10, 15)]
    plain, alone = predicted("a dog"), predicted("a dog", None)
    gated = plain._replace(caption=plain.caption._replace(gates=np.array([0.5, 0.25])))
    told = {
        name: [words in gallery_section("", [one]).html for words in ("brighter", "β", "Outlined")]
        for name, one in {
            "plain": plain, "alone": alone, "gated": gated,
            "boxed": plain._replace(boxes=[None, left]),
        }.items()
    }  # fmt: skip
    assert told == {
        "plain": [True, False, False], "alone": [False] * 3,
        "gated": [True, True, False], "boxed": [True, False, True],
    }  # fmt: skip
    assert "Reference" not in gallery_section("", [plain]).html
    judged = gallery_section("", [predicted("a dog", EVEN, "two dogs")]).html
    assert "Reference captions:<ul><li>two dogs</li></ul>" in judged


def test_the_table_of_scores():
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", caption_scores_section(SCORES).html)
    assert rows == [
        ("BLEU-1", "60.00"), ("BLEU-2", "40.12"), ("BLEU-3", "30.00"), ("BLEU-4", "20.00"),
        ("ROUGE-L", "45.00"), ("CIDEr-D", "101.50"), ("METEOR", "no &lt;Java&gt;"),
    ]  # fmt: skip
    known = caption_scores_section(SCORES._replace(meteor=22.2, no_meteor=None))
    assert "<td>22.20</td>" in known.html
