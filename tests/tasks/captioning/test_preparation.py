"""From files to batches: every picture with its own captions, and nothing else."""

import numpy as np
import pytest
from PIL import Image

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.captioned_images import CaptionVocabulary, caption_words, images_at
from rnnjax.tasks.captioning.captioner import Locations
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.preparation import prepare
from rnnjax.tasks.captioning.scenes import DigitScenes, source
from rnnjax.tasks.captioning.splits import split_of, splits_of

COLOURS = {
    "red": (230, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 230), "grey": (120, 120, 120),
    "white": (250, 250, 250),
}  # fmt: skip
TEXTS = {
    "train": [("red", "A red sheet."), ("red", "red"), ("green", "green , green grass"),
              ("green", "it is green"), ("blue", "the blue sky above the blue sea"),
              ("blue", "blue")],
    "validation": [("grey", "a grey sheet")],
    "test": [("white", "white")],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "corpus", TEXTS)


def write(folder, texts):
    folder.mkdir(exist_ok=True)
    for name, colour in COLOURS.items():
        Image.new("RGB", (20, 14), colour).save(folder / f"{name}.png")
    for split, lines in texts.items():
        (folder / f"{split}.tsv").write_text(
            "".join(f"{name}.png\t{text}\n" for name, text in lines)
        )
    return folder


def config(folder, **changes):
    return CaptionerConfig(
        data=str(folder), **{"batch_size": 2, "num_buckets": 2, "image_size": 16, **changes}
    )


def told_apart(image):
    """The name of the colour of an image."""
    mean = image.reshape(-1, 3).mean(axis=0)
    return min(COLOURS, key=lambda name: np.abs(mean - COLOURS[name]).sum())


def test_every_caption_is_learned_with_its_own_picture(folder):
    prepared = prepare(config(folder))
    assert prepared.batches.batches_per_epoch == 3
    found = []
    for n in range(3):
        batch = prepared.batches[n]
        assert batch["image"].shape == (2, 16, 16, 3)
        assert batch["image"].dtype == np.uint8
        for row, image in enumerate(batch["image"]):
            symbols = prepared.vocabulary.decode(batch["words"][:, row].tolist())
            found.append((told_apart(image), " ".join(symbols)))
    assert sorted(found) == sorted(
        (name, " ".join(caption_words(text))) for name, text in TEXTS["train"]
    )


def test_symbols_and_lengths_are_of_the_training_split(folder):
    prepared = prepare(config(folder))
    assert prepared.vocabulary == CaptionVocabulary.of(text for _, text in TEXTS["train"])
    assert prepared.max_length == 8
    assert prepared.locations is None
    assert prepared.validation.references == [("a grey sheet",)]
    assert told_apart(prepared.validation.show(0)) == "grey"
    assert "which cover 100.0% of the training captions" in prepared.description
    rare = prepare(config(folder, min_count=2))
    assert set(rare.vocabulary.symbols[3:]) == {"blue", "green", "red", "the"}
    assert "which cover 66.7% of the" in rare.description  # 8 of 24 words and ends are unknown
    parts = prepare(config(folder, level="subword", num_subwords=60, min_count=9))
    assert parts.vocabulary.level == "subword"
    other = CaptionVocabulary.of(["red sea"])
    assert prepare(config(folder), other).vocabulary == other


def test_the_digest_tells_data_apart(tmp_path, folder):
    digest = prepare(config(folder)).digest
    changes = {
        "caption": {**TEXTS, "train": [("red", "A red sheet!"), *TEXTS["train"][1:]]},
        "order": {**TEXTS, "train": TEXTS["train"][::-1]},
        "border": {
            **TEXTS,
            "train": TEXTS["train"][:-2],
            "validation": [*TEXTS["train"][-2:], *TEXTS["validation"]],
        },
        "validation": {**TEXTS, "validation": [("grey", "grey")]},
    }
    found = {
        name: prepare(config(write(tmp_path / name, texts))).digest
        for name, texts in changes.items()
    }
    assert len({digest, *found.values()}) == 1 + len(found)
    moved = write(tmp_path / "moved", {**TEXTS, "test": [("white", "snow")]})
    assert prepare(config(moved)).digest == digest


def test_splits_by_name(folder):
    splits = splits_of(config(folder))
    assert set(splits) == {"train", "validation", "test"}
    test = split_of(config(folder), splits["test"])
    assert (test.names, test.references) == ([str(folder / "white.png")], [("white",)])
    assert len(test) == 1


def test_a_broken_picture_stops_or_is_left_out_with_its_captions(folder):
    (folder / "green.png").write_text("not a picture")
    with pytest.raises(UserError, match=r"green\.png is no image"):
        prepare(config(folder))
    prepared = prepare(config(folder, skip_faulty=True))
    assert "green" not in prepared.vocabulary.symbols
    for n in range(4):
        batch = prepared.batches[n]
        for row, image in enumerate(batch["image"]):
            assert told_apart(image) in prepared.vocabulary.decode(batch["words"][:, row].tolist())
    (folder / "grey.png").write_text("neither")
    with pytest.raises(UserError, match="no image is left: all of them are faulty"):
        prepare(config(folder, skip_faulty=True))


def test_features_from_a_file_belong_to_their_images(tmp_path, folder):
    path = tmp_path / "features.npz"
    maps = {f"{name}.png": np.full((9, 2), n, np.float32) for n, name in enumerate(COLOURS)}
    np.savez(path, **maps)
    prepared = prepare(config(folder, features=str(path)))
    assert prepared.locations == Locations(3, 3, 2)
    for n in range(3):
        batch = prepared.batches[n]
        for row, numbers in enumerate(batch["features"]):
            colour = list(COLOURS)[int(numbers[0, 0])]
            assert colour in prepared.vocabulary.decode(batch["words"][:, row].tolist())
    assert told_apart(prepared.validation.show(0)) == "grey"
    del maps["blue.png"]
    np.savez(path, **maps)
    with pytest.raises(UserError, match=r"blue\.png"):
        prepare(config(folder, features=str(path)))


def test_too_few_captions_for_a_batch(folder):
    with pytest.raises(UserError, match="6 captions are too few for a batch of 7"):
        prepare(config(folder, batch_size=7))


def test_pictures_are_made_square_as_asked(tmp_path):
    half = np.zeros((10, 20, 3), np.uint8)
    half[:, 10:] = 255
    Image.fromarray(half).save(tmp_path / "half.png")
    images = images_at(str(tmp_path))
    padded, cropped = (
        split_of(config(tmp_path, image_size=8, resize=policy), images).show(0)
        for policy in ("pad", "crop")
    )
    assert (padded[0] == 127).all()
    assert (cropped[:, 0] == 0).all()
    assert (cropped[:, -1] == 255).all()


@pytest.fixture
def few_scenes(monkeypatch):
    monkeypatch.setattr(source, "EVALUATION_SCENES", 3)


def test_scenes_bring_captions_and_regions(few_scenes):
    scenes = DigitScenes("test", seed=3, side=48)
    settings = CaptionerConfig(image_size=48, seed=3)
    split = split_of(settings, splits_of(settings)["test"])
    assert split.names == ["test 0", "test 1", "test 2"]
    for n in range(3):
        np.testing.assert_array_equal(split.show(n), scenes[n].image)
        assert split.references[n] == (" ".join(scenes[n].caption),)
        assert len(split.regions[n]) == len(scenes[n].caption)
        np.testing.assert_array_equal(split.pictures(n)["image"], scenes[n].image)


def test_scenes_are_prepared_from_the_seed_and_size(few_scenes):
    settings = CaptionerConfig(image_size=48, batch_size=2, seed=3)
    prepared = prepare(settings)
    assert prepared.max_length == 18
    assert prepared.validation.names[0] == "validation 0"
    expected = DigitScenes("validation", seed=3, side=48)[1].image
    np.testing.assert_array_equal(prepared.validation.show(1), expected)
    digests = {
        prepare(CaptionerConfig(image_size=side, batch_size=2, seed=seed)).digest
        for side, seed in ((48, 3), (56, 3), (48, 4))
    }
    assert len(digests) == 3
    assert prepared.digest in digests
    assert list(prepared.splits) == list(splits_of(settings)) == ["validation", "test"]
    with pytest.raises(UserError, match="need a side of at least 48, got 32"):
        prepare(CaptionerConfig(image_size=32))
