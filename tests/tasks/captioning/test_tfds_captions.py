"""Captioned images in TFDS's own prepared format."""

import io
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.corpora import load_captions
from tests.data.prepared_tfds import write_tfds

TEXTS = {
    "train": [["A red wall .", "all red"], ["Green"]],
    "val": [["Blue sky"]],
    "test": [["a night"]],
    "restval": [["White snow"]],
    "other": [["nothing"]],
}
COLOURS = {"A red wall .": "red", "Green": "green", "Blue sky": "blue", "White snow": "white"}


def png(colour):
    file = io.BytesIO()
    Image.new("RGB", (6, 4), colour).save(file, "PNG")
    return file.getvalue()


def records(texts):
    return {"id": list(range(len(texts))), "text": texts}


LISTS = tfds.features.Sequence(tfds.features.Text())


COCO = {
    "captions": (tfds.features.Sequence({"text": np.str_, "id": np.int64}), records),
    "image/filename": (tfds.features.Text(), lambda _: "a.jpg"),
    "objects": (
        tfds.features.Sequence({"bbox": tfds.features.BBoxFeature()}),
        lambda _: [{"bbox": tfds.features.BBox(0.0, 0.0, 1.0, 1.0)}],
    ),
}


def prepare(data_dir, name, texts=TEXTS, captions=COCO, images=("image",), config=""):
    """Writes {split: [captions]}; `captions`: {feature: (its type, what it makes of the texts)}."""
    features = {key: kind for key, (kind, _) in captions.items()}
    features["image/id"] = np.int64
    features |= {key: tfds.features.Image(encoding_format="png") for key in images}
    rows = {
        split: [
            {"image/id": 5}
            | {key: io.BytesIO(png(COLOURS.get((*its, "")[0], "black"))) for key in images}
            | {key: made(its) for key, (_, made) in captions.items()}
            for its in examples
        ]
        for split, examples in texts.items()
    }
    write_tfds(data_dir, name, features, rows, config=config)


def load(source, data_dir, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.core.constants, "DATA_DIR", str(data_dir))
        return load_captions(CaptionerConfig(data=source, **options))


def message(source, data_dir, **options):
    with pytest.raises(UserError) as error:
        load(source, data_dir, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def captions_of(corpus):
    return {split: [list(i.captions) for i in part] for split, part in corpus.splits.items()}


def test_coco_captions_are_read_without_tensorflow(tmp_path):
    prepare(tmp_path, "coco_captions", config="2014")
    corpus = load("tfds:coco_captions", tmp_path)
    assert captions_of(corpus) == {
        "train": [*TEXTS["train"], *TEXTS["restval"]],
        "validation": TEXTS["val"],
        "test": TEXTS["test"],
    }
    assert corpus.splits["train"][1].image == "tfds:coco_captions train 1"
    assert corpus.skipped == ()
    assert "tensorflow" not in sys.modules


def test_images_are_those_that_were_stored(tmp_path):
    prepare(tmp_path, "coco_captions", config="2014")
    images = load("tfds:coco_captions", tmp_path).splits["train"]
    assert [image.encoded() for image in images] == [png("red"), png("green"), png("white")]
    pixels = [image.pixels(2, "crop") for image in images]
    assert [array[0, 0].tolist() for array in pixels] == [[255, 0, 0], [0, 128, 0], [255, 255, 255]]


def test_the_feature_is_chosen_by_name_or_kind(tmp_path):
    one = (tfds.features.Text(), lambda texts: texts[0])
    every = (LISTS, lambda texts: [f"{text} indeed" for text in texts])
    prepare(tmp_path, "named", captions={"title": one, "captions": every})
    prepare(tmp_path, "unnamed", captions={"title": one})
    prepare(tmp_path, "two", captions={"title": one, "sentences": every})
    assert captions_of(load("tfds:named", tmp_path))["train"][0] == [
        "A red wall . indeed", "all red indeed"]  # fmt: skip
    for source in ("named:title", "unnamed", "two:title", "two:1.0.0:title"):
        assert captions_of(load(f"tfds:{source}", tmp_path))["train"][0] == ["A red wall ."]
    told = message("tfds:two", tmp_path)
    assert "tfds:two has more than one feature of captions: sentences, title; choose" in told
    told = message("tfds:two:titel", tmp_path)
    assert "tfds:two has no feature of captions called 'titel': did you mean 'title'?" in told


def test_features_that_are_not_there(tmp_path):
    numbers = {"captions": (tfds.features.Sequence(np.int64), lambda texts: [len(texts)])}
    grid = (tfds.features.Tensor(shape=(1, 1), dtype=np.str_), lambda texts: [[texts[0]]])
    prepare(tmp_path, "numbers", captions=numbers | {"grid": grid})
    prepare(tmp_path, "blind", images=())
    prepare(tmp_path, "stereo", images=("left", "right"))
    assert message("tfds:numbers", tmp_path) == (
        "tfds:numbers has no feature of captions, only captions, grid, image, image/id"
    )
    told = message("tfds:blind", tmp_path)
    assert told.startswith("tfds:blind has no feature of images, only captions, image/")
    told = message("tfds:stereo", tmp_path)
    assert told == "tfds:stereo has more than one feature of images: left, right"


def test_faults_are_errors_or_counted(tmp_path):
    prepare(tmp_path, "faulty", {"train": [["x", " . "], []], "val": [["y"]]})
    told = message("tfds:faulty", tmp_path)
    assert told.startswith("tfds:faulty train 0, caption 1: a caption without a word, '.', of ")
    corpus = load("tfds:faulty", tmp_path, skip_faulty=True)
    assert [fault.partition(": ")[0] for fault in corpus.skipped] == [
        "tfds:faulty train 0, caption 1", "tfds:faulty train 1"]  # fmt: skip
    assert captions_of(corpus) == {"train": [["x"]], "validation": [["y"]]}
    prepare(tmp_path, "half", {"train": [["x"]], "test": [["y"]]})
    assert "tfds:half has no validation split" in message("tfds:half", tmp_path)
    assert "images='x' has no use" in message("tfds:half", tmp_path, images="x")
