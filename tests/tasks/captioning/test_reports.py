"""Captions and scores as files, and as lines for the terminal."""

import io
import re

import matplotlib.image
import numpy as np
import pytest

from rnnjax.models.decoding import Rated, Search
from rnnjax.tasks.captioning import reports
from rnnjax.tasks.captioning.image_captioner import Caption, ImageCaptioner
from rnnjax.tasks.captioning.reports import (
    captions_json,
    gallery_section,
    scores_text,
    write_overlays,
)
from tests.tasks.captioning import tiny

EVEN = np.full((2, 3), 1 / 6)
SCORES = {
    "bleu1": 60.0, "bleu2": 40.123, "bleu3": 30.0, "bleu4": 20.0, "rouge_l": 45.0, "cider_d": 101.5,
    "meteor": None, "no_meteor": "no Java", "exact": 25.0, "loss": 1.5, "pointing": 75.0,
}  # fmt: skip
CAPTIONS = [
    Caption(
        ("a", "dog"), (Rated("a dog", -1.5, -1.5),), np.stack([EVEN, EVEN]), np.array([0.5, 1.0])
    ),
    Caption((), (Rated("", -0.5, -0.5),), np.zeros((0, 2, 3)), np.zeros(0)),
    Caption(("red",), (Rated("red", -2.0, -2.0),), EVEN[None], np.array([0.1])),
]
REFERENCES = [("a dog", "a red dog"), ("runs",), ("a red",)]
BOXES = ((0, 0, 12, 12),)
REGIONS = [(None, BOXES), (BOXES,), (None, BOXES)]


def test_scores_for_the_terminal():
    lines = scores_text(SCORES, "test", Search()).splitlines()
    assert lines[0] == "test, beam of 5:"
    assert {line[:18].strip(): line[18:].strip() for line in lines[1:-1]} == {
        "BLEU-1": "60.00", "BLEU-2": "40.12", "BLEU-3": "30.00", "BLEU-4": "20.00",
        "ROUGE-L": "45.00", "CIDEr-D": "101.50", "exact captions": "25.00",
        "pointing accuracy": "75.00", "nats/word": "1.5000",
    }  # fmt: skip
    assert lines[-1] == "no METEOR: no Java"
    text = scores_text(SCORES | {"meteor": 22.2, "no_meteor": None}, "test", Search())
    assert "METEOR              22.20" in text
    assert "no METEOR" not in text


def test_captions_as_a_file():
    assert captions_json(tiny.images(3), CAPTIONS) == [
        {"image": f"some/image{n}.jpg", "caption": text, "log_probability": nats, "others": []}
        for n, (text, nats) in enumerate([("a dog", -1.5), ("", -0.5), ("red", -2.0)])
    ]


def test_a_picture_for_every_caption_with_attention(tmp_path):
    write_overlays(tiny.images(3), CAPTIONS, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0000_image0.png", "0002_image2.png",
    ]  # fmt: skip
    two, one = (
        matplotlib.image.imread(io.BytesIO(path.read_bytes()))
        for path in sorted(tmp_path.iterdir())
    )
    assert two.shape[1] > one.shape[1]
    blind = [caption._replace(maps=None, gates=None) for caption in CAPTIONS]
    write_overlays(tiny.images(3), blind, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_boxes_are_shown_where_the_caption_is_the_reference():
    regions = [REGIONS[0], REGIONS[1], (BOXES,)]
    for known, some, shown in ((regions, [2, 0], True), (regions, [2], False), (None, [0], False)):
        split = tiny.images(3, REFERENCES, known)
        assert ("Outlined" in gallery_section("", split, CAPTIONS, some).html) == shown


@pytest.fixture
def judge(monkeypatch):
    """What `report_inspection` says of a split with the captions CAPTIONS, over and over."""

    def judged(split, folder):
        captions = (CAPTIONS * len(split))[: len(split)]
        monkeypatch.setattr(reports, "write_and_score", lambda *_: (captions, SCORES))
        return reports.report_inspection(
            split, "test", ImageCaptioner(None, None, None), folder
        ).splitlines()[-1]

    return judged


def test_the_page_of_an_inspection(tmp_path, judge):
    said = judge(tiny.images(3, REFERENCES, REGIONS), tmp_path)
    assert said == f"test: {tmp_path / 'inspect.html'}"
    page = (tmp_path / "inspect.html").read_text()
    assert "test: 3 of 3 images" in page
    assert re.search(r"BLEU-2 +40\.12\n", page)
    assert re.search(r"pointing accuracy +75\.00\n", page)
    assert "colours" in page or page.count("data:image/png") >= 4


def test_an_inspection_that_cannot_be_written_is_no_error(tmp_path, judge):
    (tmp_path / "taken").write_text("")
    (tmp_path / "inspect.html").mkdir()
    split = tiny.images(3, REFERENCES)
    for folder in (tmp_path, tmp_path / "taken"):
        assert judge(split, folder).startswith(f"test: Cannot write {folder}")
    assert judge(split, tmp_path / "new") == f"test: {tmp_path / 'new' / 'inspect.html'}"


def test_the_page_shows_some_of_many_images_from_first_to_last(tmp_path, judge, monkeypatch):
    monkeypatch.setattr(reports, "_figure", lambda split, caption, n: f"<i>{n}</i>")
    taken = []
    monkeypatch.setattr(reports, "_rouge", lambda *given: taken.append(given) or len(taken))
    judge(tiny.images(450, [("a dog",)] * 450), tmp_path)
    page = (tmp_path / "inspect.html").read_text()
    assert "test: 200 of 450 images" in page
    assert len(taken) == 200
    assert "<i>449</i>" in page.partition("<h2>Worst")[0]
    assert "<i>0</i>" in page.partition("<h2>Worst")[2]
