import io
import math
import re

import matplotlib
import matplotlib.image
import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.attention_pictures import (
    WordEntropy,
    draw_mean_maps,
    draw_word_entropies,
    mean_maps,
    word_entropies,
)
from rnnjax.tasks.captioning.caption_scores import CaptionScores
from rnnjax.tasks.captioning.overlays import Captioned
from rnnjax.tasks.captioning.pages import caption_page, caption_scores_section

IMAGE = np.full((20, 30, 3), 90, np.uint8)
BLUE = (0x2B, 0x6C, 0xB0)
LEFT, RIGHT = np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], float)
EVEN = np.full((2, 2), 0.25)


def captioned(text, maps=None, *references, **more):
    words = text.split()
    if maps is None:
        maps = [EVEN] * len(words)
    return Captioned(IMAGE, words, np.array(maps), references=references, **more)


def pixels_of(png):
    return np.rint(255 * matplotlib.image.imread(io.BytesIO(png))[..., :3]).astype(int)


def where(png, colour, tolerance=3):
    return np.abs(pixels_of(png) - colour).max(axis=-1) <= tolerance


BOTH = [
    captioned("a dog", [EVEN, LEFT]),
    captioned("a red dog", [(LEFT + RIGHT) / 2, RIGHT, EVEN]),
    captioned("a cat")._replace(maps=None),
]


def test_entropies_are_means_over_occurrences_with_the_lowest_first():
    found = word_entropies(BOTH)
    assert [one.word for one in found] == ["red", "dog", "a"]
    assert [one.occurrences for one in found] == [1, 2, 2]
    np.testing.assert_allclose(
        [one.mean for one in found], [0, math.log(4) / 2, 0.75 * math.log(4)], atol=1e-12
    )


def test_mean_maps_are_of_all_words_and_of_groups():
    groups = {"nouns": {"dog", "cat"}, "colours": ["red"], "none": {"cat"}}
    found = mean_maps(BOTH, groups)
    assert list(found) == ["all words", "nouns", "colours"]
    np.testing.assert_allclose(found["nouns"], [[0.625, 0.125], [0.125, 0.125]])
    np.testing.assert_allclose(found["colours"], RIGHT)
    np.testing.assert_allclose(found["all words"], [[0.4, 0.4], [0.1, 0.1]])
    assert mean_maps(BOTH[2:], groups) == {}


def test_a_mean_of_maps_of_two_sizes_is_refused():
    with pytest.raises(UserError, match=r"\(2, 2\) and \(3, 3\)"):
        mean_maps([BOTH[0], captioned("a", [np.full((3, 3), 1 / 9)])], {})


def test_bars_are_as_long_as_the_entropy_and_in_the_order_given():
    means = (0.5, 1.0, 2.0)
    entropies = [WordEntropy(f"$w{mean}", mean, 3) for mean in means]
    blue = where(draw_word_entropies(entropies, 8), BLUE)
    rows = np.flatnonzero(blue.sum(axis=1) > 20)
    bars = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    lengths = [np.median(blue[bar].sum(axis=1)) for bar in bars]
    assert np.divide(lengths, lengths[0]) == pytest.approx([1, 2, 4], rel=0.05)
    assert lengths[2] / blue.shape[1] > 0.6


def test_only_the_most_frequent_words_have_a_bar():
    rare, frequent = (2.0, 1), (0.5, 2)
    entropies = [WordEntropy(f"w{n}", *(frequent if n % 3 else rare)) for n in range(60)]
    blue = where(draw_word_entropies(entropies, 8), BLUE)
    on = blue.sum(axis=1) > 8
    assert np.count_nonzero(np.diff(on.astype(int)) == 1) == 40
    assert blue.sum(axis=1).max() < 0.3 * blue.shape[1]


def test_mean_maps_are_drawn_on_one_scale():
    colours = np.array(matplotlib.colormaps["magma"]([1.0, 0.0, 0.25]))[:, :3]
    top, bottom, quarter = np.rint(255 * colours)
    png = draw_mean_maps({"all words": EVEN, "$dog": RIGHT})
    highest, lowest, even = (where(png, colour, 1) for colour in (top, bottom, quarter))
    assert highest.sum() > 3000
    assert even.sum() == pytest.approx(4 * highest.sum(), rel=0.05)
    assert lowest.sum() == pytest.approx(3 * highest.sum(), rel=0.1)
    y, x = np.argwhere(highest).mean(axis=0)
    low_y, low_x = np.argwhere(lowest).mean(axis=0)
    assert y < low_y
    assert x > low_x


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
    captioned("a cat sleeps", None, "two dogs run", log_probability=-1.0),
    captioned("A dog runs", None, "a dog runs.", "<b>no</b>", log_probability=-3.0),
    captioned("a dog", None, "a dog", log_probability=-2.0, name="x&y.jpg"),
    captioned("a dog sits", None, "a dog runs", log_probability=-2.5),
    captioned("unjudged words here"),
]


def test_the_best_and_the_worst_captions_are_shown_with_their_references():
    page = caption_page(JUDGED, "<i>test", num_shown=2)
    shown = figures(page)
    assert shown["Best"] == ["a dog", "A dog runs"]
    assert shown["Worst"] == ["a cat sleeps", "a dog sits"]
    assert "<li>two dogs run</li>" in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "x&amp;y.jpg, ROUGE-L 100.0, log-probability -2.00" in page
    assert "ROUGE-L 66.7, log-probability -2.50" in page
    assert "<i>" not in page
    assert cards(page) == {"captions": "5", "word for word as a reference": "50.0%"}
    assert {"Entropy of the attention", "Most attended regions"} < shown.keys()


def test_no_caption_is_both_among_the_best_and_the_worst():
    shown = figures(caption_page(JUDGED[:3], "", num_shown=6))
    assert shown["Best"] == ["a dog", "A dog runs"]
    assert shown["Worst"] == ["a cat sleeps"]
    assert "Worst" not in figures(caption_page(JUDGED[:1], ""))


def test_captions_without_references_are_shown_in_order():
    shown = figures(caption_page(BOTH, "", num_shown=2))
    assert shown["Captions"] == ["a dog", "a red dog"]


def test_a_page_without_attention_shows_the_images_alone():
    page = caption_page([BOTH[2]], "")
    assert figures(page) == {"Captions": ["a cat"]}
    assert cards(page) == {"captions": "1"}


def test_pointing_is_summed_over_words_of_all_captions():
    left, right = [(0, 0, 10, 15)], [(0, 15, 10, 30)]
    several = [
        captioned("a dog", [EVEN, LEFT], boxes=[None, left]),
        captioned("red dog ran", [LEFT, RIGHT, LEFT], boxes=[right, right, left]),
    ]
    assert cards(caption_page(several, ""))["pointing accuracy, 4 words"] == "75.0%"


def test_the_table_of_scores():
    scores = CaptionScores(60.0, 40.123, 30.0, 20.0, 45.0, 101.5, None, "no <Java>")
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", caption_scores_section(scores).html)
    assert rows == [
        ("BLEU-1", "60.00"), ("BLEU-2", "40.12"), ("BLEU-3", "30.00"), ("BLEU-4", "20.00"),
        ("ROUGE-L", "45.00"), ("CIDEr-D", "101.50"), ("METEOR", "no &lt;Java&gt;"),
    ]  # fmt: skip
    known = caption_scores_section(scores._replace(meteor=22.2, no_meteor=None))
    assert "<td>22.20</td>" in known.html
    page = caption_page(BOTH, "", scores=scores)
    assert "<td>40.12</td>" in page
