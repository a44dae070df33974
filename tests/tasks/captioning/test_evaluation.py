"""Scores of captions, and when pointing counts."""

import dataclasses

import numpy as np
import pytest

from rnnjax.models.decoding import Rated
from rnnjax.tasks.captioning.caption_scores import caption_scores
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.image_captioner import Caption, validation_scores, write_and_score
from rnnjax.tasks.captioning.preparation import Prepared
from tests.tasks.captioning import tiny

LEFT, RIGHT = np.zeros((2, 2, 3))
LEFT[0, 0] = RIGHT[1, 2] = 1
TOP_LEFT, BOTTOM_RIGHT = ((0, 0, 12, 12),), ((12, 24, 24, 36),)
REFERENCES = [("A red dog.", "dogs run"), ("and runs",), ("a dog runs",)]
TEXTS = ("dogs run", "runs and", "a dog runs")
MAPS = [np.stack([LEFT, RIGHT]), np.stack([RIGHT]), np.zeros((0, 2, 3))]


class Written:
    """A captioner that has written TEXTS and read the references."""

    def __init__(self, maps=MAPS):
        self.maps = maps

    def write(self, split):
        return [
            Caption(tuple(text.split()), (Rated(text, -1.0, -1.0),), None, None) for text in TEXTS
        ]

    def read(self, split):
        return [3.0, 2.5, 0.5], 12, self.maps


def score(regions=None, maps=MAPS):
    return write_and_score(tiny.images(3, REFERENCES, regions), Written(maps))[1]


def test_captions_are_held_against_every_reference():
    found = score()
    assert found["exact"] == pytest.approx(200 / 3)
    assert found["loss"] == pytest.approx(6 / 12)
    assert caption_scores(TEXTS, REFERENCES).items() <= found.items()
    assert found["bleu1"] == pytest.approx(100)
    assert found["bleu2"] == pytest.approx(100 * np.sqrt(3 / 4))


def test_pointing_counts_words_with_regions_of_all_captions():
    found = score([(TOP_LEFT, TOP_LEFT), (BOTTOM_RIGHT,), ()])
    assert found["pointing"] == pytest.approx(200 / 3)
    assert score([(None, BOTTOM_RIGHT), (TOP_LEFT,), ()])["pointing"] == 50


def test_without_regions_or_maps_there_is_no_pointing():
    assert "pointing" not in score()
    assert "pointing" not in score([(TOP_LEFT, None), (None,), ()], maps=[])


def test_the_evaluation_of_training_writes_greedily_and_reads_the_references():
    captioner = tiny.captioner("soft")
    greedy = captioner.write(tiny.images(4), batch_size=4)
    references = [(caption.text or "and",) for caption in greedy]
    references[2] = ("red red and",)
    regions = [((TOP_LEFT,) * len(text.split())) for (text,) in references]
    split = tiny.images(4, references, regions)
    prepared = Prepared(tiny.VOCABULARY, None, split, {}, tiny.MAX_LENGTH, "", "")
    found = validation_scores(CaptionerConfig(), prepared, captioner.model)
    nats, num_words, read = captioner.read(split, batch_size=4)
    alike = [caption.text == text for caption, (text,) in zip(greedy, references, strict=True)]
    assert found["exact"] == 100 * sum(alike) / 4
    assert any(alike)
    assert not alike[2]
    assert found["loss"] == pytest.approx(sum(nats) / num_words, rel=1e-5)
    texts = [caption.text for caption in greedy]
    assert found["bleu4"] == pytest.approx(caption_scores(texts, references)["bleu4"])
    hits = [map_.argmax() == 0 for maps in read for map_ in maps]
    assert found["pointing"] == pytest.approx(100 * np.mean(hits))
    plain = prepared._replace(validation=dataclasses.replace(split, regions=None))
    found = validation_scores(CaptionerConfig(), plain, captioner.model)
    assert set(found) == {"loss", "bleu4", "exact"}
