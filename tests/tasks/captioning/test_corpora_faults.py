"""Captions, lists and images that do not fit: what is counted, and what is an error."""

import logging

import pytest

from tests.tasks.captioning.corpus_files import (
    IMAGES,
    TEXTS,
    expected,
    flickr,
    jsonl,
    karpathy,
    load_captions,
    message,
    read,
    touch,
    tsv,
    write,
)


def test_images_are_held_out_the_same_way_each_time(tmp_path):
    names = [f"{n}.jpg" for n in range(40)]
    touch(tmp_path / "one", names)
    touch(tmp_path / "two", names)
    lines = [f"{name}\tone\n{name}\ttwo\n" for name in names]
    one = write(tmp_path / "one", {"captions.tsv": "".join(lines)})
    two = write(tmp_path / "two", {"captions.tsv": "".join(reversed(lines))})
    first, second = (load_captions(source, held_out=0.1) for source in (one, two))
    assert [len(images) for images in first.splits.values()] == [32, 4, 4]
    assert {i.image[-6:] for part in first.splits.values() for i in part} == {
        f"/{name}"[-6:] for name in names
    }
    for split, images in read(first, one).items():
        assert images.keys() == read(second, two)[split].keys()
    assert list(read(first, one)["validation"]) != names[:4]
    assert "does not say which image is in which split" in message(one)
    assert "held_out must lie in (0, 0.5), got 0.5" in message(one, held_out=0.5)
    assert "has no use" in message(flickr(tmp_path / "three"), held_out=0.1)
    table = tmp_path / "captions.csv"
    table.write_text("image,caption\na.jpg,a dog, running\n")
    assert "captions.csv:2 has 3 columns, and " in message(str(table), held_out=0.1)


# Faults.


def test_faults_are_errors_or_counted_and_named(tmp_path, caplog):
    extra = (
        "a.jpg#2\t ... !\nb.jpg#1\ta cat\nold.jpg#0\tof another time\ngone.jpg#0\tof a lost image\n"
    )
    source = flickr(tmp_path, extra=extra)
    lists = {"Flickr_8k.trainImages.txt": "a.jpg\nb.jpg\nc.jpg\nlost.jpg\nbare.jpg\ngone.jpg\n"}
    write(tmp_path, lists)
    touch(tmp_path / "Images", ["bare.jpg", "stray.jpg", "stray.txt", "old.jpg"])
    told = message(source)
    path = f"{tmp_path}/Flickr8k.token.txt"
    assert told.startswith(f"{path}:7: a caption without a word, '... !', of a.jpg")
    assert "4 more faults like it. With --config.skip_faulty" in told
    with caplog.at_level(logging.WARNING):
        corpus = load_captions(source, skip_faulty=True)
    dev, train = f"{tmp_path}/Flickr_8k.devImages.txt", f"{tmp_path}/Flickr_8k.trainImages.txt"
    images = f"{tmp_path}/Images"
    assert list(corpus.skipped) == [
        f"{path}:7: a caption without a word, '... !', of a.jpg",
        f"{train}:3: the image {images}/c.jpg is listed also for validation at {dev}:1",
        f"{train}:4: the image {images}/lost.jpg does not exist",
        f"{train}:5: the image {images}/bare.jpg has no caption",
        f"{train}:6: the image {images}/gone.jpg does not exist",
    ]
    assert f"left out as faulty: {path}:7: a caption" in caplog.text
    assert read(corpus, images)["train"] == {
        "a.jpg": TEXTS["a.jpg"], "b.jpg": (*TEXTS["b.jpg"], "a cat")}  # fmt: skip
    assert read(corpus, images)["validation"] == {"c.jpg": TEXTS["c.jpg"]}
    assert "5 left out as faulty" in corpus.describe()


@pytest.mark.parametrize(
    ("name", "line", "told"),
    [
        ("train.tsv", "b.jpg", "has 1 columns, and "),
        ("train.tsv", "b.jpg\t ", "a caption without a word, '', of "),
        ("train.tsv", "z.jpg\tx", "z.jpg does not exist"),
        ("train.tsv", "c.jpg\tx", "c.jpg is listed also for "),
        ("train.jsonl", '{"image": "b.jpg", "text": "x"}', "has no 'caption'"),
    ],
)
def test_a_faulty_line_is_named(tmp_path, name, line, told):
    touch(tmp_path)
    good = tsv(["a.jpg"]) if name.endswith("tsv") else jsonl(["a.jpg"])
    files = {name: f"{good}{line}\n", "validation.tsv": tsv(["c.jpg"])}
    source = write(tmp_path, files)
    whole = message(source)
    assert told in whole
    place = "validation.tsv:1" if line.startswith("c.jpg") else f"{name}:3"
    assert whole.startswith(f"{tmp_path}/{place}")
    write(tmp_path, {name: "b.jpg a dog\n"})
    assert message(source).endswith("(expected an image and a caption in each line)")
    write(tmp_path, {name: good})
    assert not load_captions(source).skipped


def test_a_third_column_is_no_caption(tmp_path):
    touch(tmp_path)
    source = write(
        tmp_path, {"train.tsv": "a.jpg\ta cat\ta dog\n", "validation.tsv": tsv(["c.jpg"])}
    )
    assert message(source).startswith(f"{tmp_path}/train.tsv:1: the image ")


def test_what_is_no_corpus_of_captions(tmp_path):
    told = message(str(tmp_path))
    assert told.startswith(f"{tmp_path} has no captions: expected Flickr's NAME.token.txt")
    assert "no files at all" in told
    touch(tmp_path)
    assert "does not exist (nearest in" in message(f"{tmp_path}x")
    write(tmp_path, {"train.tsv": tsv(["a.jpg"])})
    assert "does not say which image" in message(str(tmp_path))
    write(tmp_path, {"validation.tsv": "z.jpg\tx\n"})
    told = message(str(tmp_path), skip_faulty=True)
    assert told == f"{tmp_path} has no validation split with captioned images in it"
    karpathy(tmp_path)
    assert "has captions in several ways: choose one file of" in message(str(tmp_path))
    touch(tmp_path, ["x.txt"])
    assert "expected a name that ends in .tsv, .csv, .jsonl" in message(
        f"train={tmp_path}/train.tsv,validation={tmp_path}/x.txt"
    )


def test_the_folder_of_images(tmp_path):
    source = flickr(tmp_path)
    told = message(source, images=f"{tmp_path}/images")
    assert f"'{tmp_path}/images' is no folder of images (nearest in {tmp_path}: Images)" in told
    touch(tmp_path / "smaller/Images", ["a.jpg", "b.jpg"])
    assert read(load_captions(source), tmp_path) == expected("Images/")
    touch(tmp_path / "smaller/Images")
    told = message(source)
    assert f"the images are in {tmp_path}/Images and in {tmp_path}/smaller/Images" in told
    corpus = load_captions(source, images=f"{tmp_path}/smaller/Images")
    assert read(corpus, tmp_path) == expected("smaller/Images/")
    (tmp_path / "elsewhere").mkdir()
    for name in IMAGES:
        (tmp_path / "Images" / name).unlink()
        (tmp_path / "smaller/Images" / name).unlink()
    told = message(source, skip_faulty=True)
    assert told.startswith("no image is there: looked for c.jpg, d.jpg, b.jpg in ")


# Words.
