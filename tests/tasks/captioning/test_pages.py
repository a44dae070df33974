import re
from typing import NamedTuple

import numpy as np
import pytest

from rnnjax.models.decoding import Rated, Search
from rnnjax.tasks.captioning import reports
from rnnjax.tasks.captioning.image_captioner import Caption, ImageCaptioner
from rnnjax.tasks.captioning.reports import gallery_section
from rnnjax.tasks.captioning.splits import Split

IMAGE = np.full((20, 30, 3), 90, np.uint8)
LEFT, RIGHT = np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], float)
EVEN = np.full((2, 2), 0.25)


class One(NamedTuple):
    caption: Caption
    references: tuple[str, ...]
    boxes: list | None = None
    name: str = "image.jpg"


def predicted(text, maps=EVEN, *references, log_probability=-9.0, **more):
    words = text.split()
    maps = None if maps is None else np.array([EVEN] * len(words) if maps is EVEN else maps)
    caption = Caption(
        tuple(words), (Rated(" ".join(words), log_probability, log_probability),), maps, None
    )
    return One(caption, references, **more)


def shown_of(some):
    """A split of these images, and their captions."""
    captions, references, boxes, names = map(list, zip(*some, strict=True))
    regions = boxes if any(boxes) else None
    return Split(names, None, references, lambda n: IMAGE, regions), captions, range(len(some))


def gallery(one):
    return gallery_section("", *shown_of([one])).html


def figures(page):
    """By the heading of its section, the alternative text of each picture."""
    parts = re.split(r"<h2>(.*?)</h2>", page)[1:]
    return {
        title: re.findall(r'<img alt="(.*?)"', body)
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


JUDGED = [
    predicted("a cat sleeps", EVEN, "two dogs run", log_probability=-1.0),
    predicted("A dog runs", EVEN, "a dog runs.", "<b>no</b>", log_probability=-3.0),
    predicted("a dog", EVEN, "a dog", log_probability=-2.0, name="x&y.jpg"),
    predicted("a dog sits", EVEN, "a dog runs", log_probability=-2.5),
]


@pytest.fixture
def page_of(tmp_path, monkeypatch):
    """The page of an inspection of predictions."""

    def page(predictions, title=""):
        split, captions, _ = shown_of(predictions)
        scores = {"loss": 1.0, "no_meteor": "<none>"}
        monkeypatch.setattr(reports, "write_and_score", lambda *_: (captions, scores))
        captioner = ImageCaptioner(None, None, None, Search())
        reports.report_inspection(split, title, captioner, tmp_path)
        return (tmp_path / "inspect.html").read_text()

    return page


def test_the_best_and_the_worst_captions_are_shown_with_their_references(page_of):
    page = page_of(JUDGED, "<i>test")
    shown = figures(page)
    assert shown["Best"] == ["a dog", "A dog runs"]
    assert shown["Worst"] == ["a cat sleeps", "a dog sits"]
    assert "<li>two dogs run</li>" in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "x&amp;y.jpg, ROUGE-L 100.0, log-probability -2.00" in page
    assert "ROUGE-L 66.7, log-probability -2.50" in page
    assert "<i>" not in page
    assert "no METEOR: &lt;none&gt;" in page
    assert {"Entropy of the attention", "Most attended regions"} < shown.keys()


def test_no_caption_is_both_among_the_best_and_the_worst(page_of):
    shown = figures(page_of(JUDGED[:3]))
    assert shown["Best"] == ["a dog", "A dog runs"]
    assert shown["Worst"] == ["a cat sleeps"]
    assert "Worst" not in figures(page_of(JUDGED[:1]))


def test_a_page_without_attention_shows_the_images_alone(page_of):
    page = page_of([predicted("a cat", None, "a dog")])
    assert {title for title, shown in figures(page).items() if shown} == {"Best"}


def test_references_beta_and_boxes_are_explained_where_they_are_shown():
    left = [(0, 0, 10, 15)]
    plain, alone = predicted("a dog"), predicted("a dog", None)
    gated = plain._replace(caption=plain.caption._replace(gates=np.array([0.5, 0.25])))
    told = {
        name: [words in gallery(one) for words in ("brighter", "β", "Outlined")]
        for name, one in {
            "plain": plain, "alone": alone, "gated": gated,
            "boxed": plain._replace(references=("a dog",), boxes=[None, left]),
        }.items()
    }  # fmt: skip
    assert told == {
        "plain": [True, False, False], "alone": [False] * 3,
        "gated": [True, True, False], "boxed": [True, False, True],
    }  # fmt: skip
    assert "Reference" not in gallery(plain)
    judged = gallery(predicted("a dog", EVEN, "two dogs"))
    assert "Reference captions:<ul><li>two dogs</li></ul>" in judged
