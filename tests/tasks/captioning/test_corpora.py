"""Captions in the layouts that people have them in, each written here by hand."""

import csv
import json
import logging
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.errors import UserError
from rnnjax.tasks.captioning import corpora
from rnnjax.tasks.captioning.captioned_images import caption_words
from rnnjax.tasks.captioning.config import CaptionerConfig

IMAGES = {"a.jpg": "train", "b.jpg": "train", "c.jpg": "validation", "d.jpg": "test"}
TEXTS = {
    "a.jpg": ("A dog runs .", "The dog, running"),
    "b.jpg": ("Two cats",),
    "c.jpg": ("A man 's hat .", "a hat"),
    "d.jpg": ("Sea",),
}


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return str(folder)


def touch(folder, names=IMAGES):
    write(folder, dict.fromkeys(names, ""))


def flickr(folder, token="Flickr8k.token.txt", extra=""):
    lines = [f"{n}#{k}\t{t}\n" for n, texts in TEXTS.items() for k, t in enumerate(texts)]
    touch(folder / "Images")
    return write(
        folder,
        {
            token: "".join(lines) + extra,
            "Flickr_8k.trainImages.txt": "b.jpg\na.jpg\n",
            "Flickr_8k.devImages.txt": "c.jpg\n",
            "Flickr_8k.testImages.txt": "d.jpg\n",
            "readme.txt": "x",
        },
    )


def read(corpus, folder):
    """{split: {the image's path from the folder: captions}}"""
    return {
        split: {i.image.removeprefix(f"{folder}/"): i.captions for i in images}
        for split, images in corpus.splits.items()
    }


def expected(prefix=""):
    return {
        split: {f"{prefix}{n}": TEXTS[n] for n, its in IMAGES.items() if its == split}
        for split in ("train", "validation", "test")
    }


def load_captions(source, **options):
    config = CaptionerConfig(data=source, **options)
    config.validate()
    return corpora.load_captions(config)


def message(source, **options):
    with pytest.raises(UserError) as error:
        load_captions(source, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# Layouts.


@pytest.mark.parametrize("token", ["Flickr8k.token.txt", "results_20130124.token"])
def test_flickr(tmp_path, token):
    source = flickr(tmp_path, token)
    write(tmp_path, {"Flickr8k.lemma.token.txt": "a.jpg#0\tdog run\n"})
    corpus = load_captions(source)
    assert read(corpus, tmp_path) == expected("Images/")
    assert [image.image[-5:] for image in corpus.splits["train"]] == ["b.jpg", "a.jpg"]
    assert corpus.splits["train"][1].source == f"{tmp_path}/{token}:1"
    assert corpus.skipped == corpus.notes == ()
    assert load_captions(f"{tmp_path}/{token}") == corpus


def test_flickr_lists_of_numbers(tmp_path):
    source = flickr(tmp_path)
    write(tmp_path, {"Flickr_8k.trainImages.txt": "a\n\nb\n"})
    assert read(load_captions(source), tmp_path) == expected("Images/")


def test_kaggle(tmp_path):
    flickr(tmp_path)
    (tmp_path / "Flickr8k.token.txt").unlink()
    with open(tmp_path / "captions.txt", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        rows.writerows([name, text] for name, texts in TEXTS.items() for text in texts)
        rows.writerow(["x.jpg", 'a "quoted"\nline, broken'])
        rows.writerow(["c.jpg", "."])
    assert '"The dog, running"' in (tmp_path / "captions.txt").read_text()
    corpus = load_captions(str(tmp_path), skip_faulty=True)
    assert read(corpus, tmp_path) == expected("Images/")
    assert corpus.splits["validation"][0].source == f"{tmp_path}/captions.txt:5"
    assert [fault.name for fault in corpus.skipped] == [f"{tmp_path}/captions.txt:10"]
    assert corpus.notes[0] == f"1 captioned image in no split list ({tmp_path}/Images/x.jpg)"
    write(tmp_path, {"captions.txt": 'image,caption\na.jpg,"A dog\nb.jpg,Two cats\n'})
    assert f"{tmp_path}/captions.txt:2 is no CSV" in message(str(tmp_path))


def karpathy(folder, name="dataset_flickr8k.json", **changes):
    images = [
        {
            "filename": n,
            "split": {"validation": "val"}.get(split, split),
            "sentences": [{"raw": text, "tokens": text.lower().split()} for text in TEXTS[n]],
        }
        | changes.get(n[0], {})
        for n, split in IMAGES.items()
    ]
    write(folder, {name: json.dumps({"images": images, "dataset": "flickr8k"})})
    return f"{folder}/{name}"


def test_karpathy(tmp_path):
    touch(tmp_path / "Flicker8k_Dataset")
    tokens = {"sentences": [{"tokens": ["Sea"]}]}
    source = karpathy(tmp_path, b={"split": "restval"}, d=tokens)
    assert read(load_captions(source), tmp_path) == expected("Flicker8k_Dataset/")
    assert load_captions(str(tmp_path)) == load_captions(source)
    karpathy(tmp_path, "dataset_coco.json")
    assert "choose one file of" in message(str(tmp_path))


def test_karpathy_of_coco_has_images_in_folders(tmp_path):
    folders = {n[0]: {"filepath": "val2014" if n == "c.jpg" else "train2014"} for n in IMAGES}
    source = karpathy(tmp_path / "splits", "dataset_coco.json", **folders)
    touch(tmp_path / "mscoco", [f"{folders[n[0]]['filepath']}/{n}" for n in IMAGES])
    corpus = load_captions(source, images=str(tmp_path / "mscoco"))
    assert read(corpus, tmp_path / "mscoco") == {
        split: {f"{folders[n[0]]['filepath']}/{n}": texts for n, texts in part.items()}
        for split, part in expected().items()
    }


def test_karpathy_written_otherwise(tmp_path):
    touch(tmp_path)
    told = message(karpathy(tmp_path, c={"split": "vla"}))
    assert "dataset_flickr8k.json: images[2] has the unknown split 'vla': did you mean 'v" in told
    told = message(karpathy(tmp_path, a={"sentences": [{"sentid": 1}]}))
    assert "images[0] (a.jpg), sentences[0] has neither 'raw' text nor" in told
    told = message(karpathy(tmp_path, a={"filename": 3}))
    assert "images[0] has no text 'filename': got {'filename': 3" in told
    source = write(tmp_path, {"dataset_flickr8k.json": '{"images": [\n{]}'})
    assert "dataset_flickr8k.json:2:2 is no JSON" in message(source)
    source = write(tmp_path, {"dataset_flickr8k.json": "[]"})
    assert "holds list: expected a JSON object" in message(source)


def coco(folder, split, names, more_images=(), more_annotations=()):
    images = [{"id": 7 * ord(n[0]), "file_name": n} for n in names]
    texts = [(image["id"], text) for image in images for text in TEXTS[image["file_name"]]]
    annotations = [{"id": k, "image_id": n, "caption": text} for k, (n, text) in enumerate(texts)]
    document = {"images": [*images, *more_images],
                "annotations": [*reversed(annotations), *more_annotations]}  # fmt: skip
    write(folder, {f"captions_{split}.json": json.dumps(document)})


def test_coco(tmp_path):
    coco(tmp_path / "annotations", "train2014", ["a.jpg", "b.jpg"])
    coco(tmp_path / "annotations", "val2014", ["c.jpg"])
    touch(tmp_path / "images", ["train2014/a.jpg", "train2014/b.jpg", "val2014/c.jpg"])
    corpus = load_captions(str(tmp_path))
    assert read(corpus, tmp_path / "images") == {
        "train": {f"train2014/{n}": TEXTS[n][::-1] for n in ("a.jpg", "b.jpg")},
        "validation": {"val2014/c.jpg": TEXTS["c.jpg"][::-1]},
    }
    assert load_captions(str(tmp_path / "annotations")) == corpus
    assert load_captions(str(tmp_path / "annotations/captions_val2014.json"),
                         images=str(tmp_path / "images")) == corpus  # fmt: skip


def test_faults_of_coco(tmp_path):
    again = {"id": 7 * ord("a"), "file_name": "z.jpg"}
    bare = {"id": 3, "file_name": "e.jpg"}
    wrong = [{"id": 0, "image_id": 679, "caption": "x"}, {"id": 8, "image_id": 99, "caption": "y"}]
    coco(tmp_path, "train2014", ["a.jpg", "b.jpg"], [again, bare], wrong)
    coco(tmp_path, "val2014", ["c.jpg"])
    touch(tmp_path, [f"train2014/{n}.jpg" for n in "abe"] + ["val2014/c.jpg"])
    corpus = load_captions(str(tmp_path), skip_faulty=True)
    path = f"{tmp_path}/captions_train2014.json"
    assert [fault.message for fault in corpus.skipped] == [
        f"{path}: images[2] (train2014/z.jpg): id 679 is also that of train2014/a.jpg",
        f"{path}: annotations[3]: id 0 is also that of {path}: annotations[2]",
        f"{path}: annotations[4]: a caption of image_id 99, which no image has: 'y'",
        f"{path}: images[3] (train2014/e.jpg): the image {tmp_path}/train2014/e.jpg has no caption",
    ]
    assert len(corpus.splits["train"]) == 2


def tsv(names):
    return "".join(f"{name}\t{text}\n" for name in names for text in TEXTS[name])


def jsonl(names):
    rows = [{"image": n, "captions": TEXTS[n]} for n in names]
    rows[0] = {"image": names[0], "caption": TEXTS[names[0]][0]}
    rows += [{"image": names[0], "caption": text} for text in TEXTS[names[0]][1:]]
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def test_tsv_and_jsonl(tmp_path):
    touch(tmp_path)
    files = {
        "my_train.tsv": "image\tcaption\n" + tsv(["a.jpg", "b.jpg"]),
        "dev.tsv": tsv(["c.jpg"]),
        "test.jsonl": jsonl(["d.jpg"]),
    }
    corpus = load_captions(write(tmp_path, files))
    assert read(corpus, tmp_path) == expected()
    assert corpus.splits["train"][1].source == f"{tmp_path}/my_train.tsv:4"
    more = {"train.jsonl": jsonl(["a.jpg", "b.jpg"]), "val.jsonl": jsonl(["c.jpg"])}
    source = ",".join(f"{split}={tmp_path}/{name}" for split, name in [
        ("train", "train.jsonl"), ("validation", "val.jsonl"), ("test", "test.jsonl")])  # fmt: skip
    write(tmp_path, more)
    assert read(load_captions(source), tmp_path) == expected()
    assert "two files for the split train: " in message(str(tmp_path))
    source = write(tmp_path / "b", {"more.tsv": tsv(["a.jpg"]), "train.tsv": tsv(["b.jpg"])})
    assert "more.tsv does not say in its name which split" in message(source)


# Splits that the source does not have.


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


# Faults.


def test_faults_are_errors_or_counted_and_named(tmp_path, caplog):
    extra = (
        "a.jpg#2\t ... !\nnonsense\na.jpg#0\tAgain\nb.jpg#1\ta cat\n"
        "old.jpg#0\tof another time\ngone.jpg#0\tof a lost image\n"
    )
    source = flickr(tmp_path, extra=extra)
    lists = {"Flickr_8k.trainImages.txt": "a.jpg\nb.jpg\nc.jpg\nlost.jpg\nbare.jpg\ngone.jpg\n"}
    write(tmp_path, lists)
    touch(tmp_path / "Images", ["bare.jpg", "stray.jpg", "stray.txt", "old.jpg"])
    told = message(source)
    path = f"{tmp_path}/Flickr8k.token.txt"
    assert told.startswith(f"{path}:8: expected NAME.jpg#NUMBER, a tab and a caption, got 'nonse")
    assert "6 more faults like it. With skip_faulty" in told
    with caplog.at_level(logging.WARNING):
        corpus = load_captions(source, skip_faulty=True)
    dev, train = f"{tmp_path}/Flickr_8k.devImages.txt", f"{tmp_path}/Flickr_8k.trainImages.txt"
    images = f"{tmp_path}/Images"
    assert [fault.message for fault in corpus.skipped] == [
        f"{path}:8: expected NAME.jpg#NUMBER, a tab and a caption, got 'nonsense'",
        f"{path}:9: a.jpg#0 is also the caption at {path}:1",
        f"{train}:3: the image {images}/c.jpg is listed also for validation at {dev}:1",
        f"{path}:7: a caption without a word, '... !', of {images}/a.jpg",
        f"{train}:4: the image {images}/lost.jpg does not exist",
        f"{train}:5: the image {images}/bare.jpg has no caption",
        f"{train}:6: the image {images}/gone.jpg does not exist",
    ]
    assert [fault.name for fault in corpus.skipped][:2] == [f"{path}:8", f"{path}:9"]
    assert f"left out as faulty: {path}:8: expected" in caplog.text
    assert read(corpus, images)["train"] == {
        "a.jpg": TEXTS["a.jpg"], "b.jpg": (*TEXTS["b.jpg"], "a cat")}  # fmt: skip
    assert read(corpus, images)["validation"] == {"c.jpg": TEXTS["c.jpg"]}
    assert "7 left out as faulty" in corpus.describe()
    assert corpus.notes == (
        f"1 captioned image in no split list ({images}/old.jpg)",
        f"1 image file without a caption ({images}/stray.jpg)",
    )


def test_captions_of_no_list_and_no_file_are_told(tmp_path):
    extra = "old.jpg#0\tone\nolder.jpg#0\ttwo\nolder.jpg#1\tthree\na.jpg#2\tA dog runs .\n"
    source = flickr(tmp_path, extra=extra)
    touch(tmp_path / "Images", ["old.jpg"])
    assert load_captions(source).notes == (
        f"2 captioned images in no split list ({tmp_path}/Images/old.jpg; "
        f"{tmp_path}/Images/older.jpg)",
        f"1 of these not there either ({tmp_path}/Images/older.jpg)",
        f"1 image with a caption more than once ({tmp_path}/Flickr8k.token.txt:1)",
    )


@pytest.mark.parametrize(
    ("name", "line", "told"),
    [
        ("train.tsv", "b.jpg", "expected IMAGE, a tab and a caption, got 'b.jpg'"),
        ("train.tsv", "b.jpg\tx\ty", "expected IMAGE, a tab and a caption"),
        ("train.tsv", "b.jpg\t ", "a caption without a word, '', of "),
        ("train.tsv", "z.jpg\tx", "z.jpg does not exist"),
        ("train.tsv", "c.jpg\tx", "c.jpg is listed also for "),
        ("train.jsonl", '{"image": "b.jpg"', "but this is no JSON"),
        ("train.jsonl", '{"image": "b.jpg", "text": "x"}', 'expected {"image": PATH'),
        ("train.jsonl", '{"image": "b.jpg", "captions": "x"}', 'expected {"image": PATH'),
        ("train.jsonl", '{"image": 3, "caption": "x"}', 'expected {"image": PATH'),
        ("train.jsonl", '["b.jpg", "x"]', 'expected {"image": PATH'),
        ("train.jsonl", '{"image": "b.jpg", "captions": []}', "b.jpg has no caption"),
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
    assert whole.startswith(f"{tmp_path}/{place}: ")
    write(tmp_path, {name: good})
    assert not load_captions(source).skipped


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
    touch(tmp_path, ["x.csv"])
    assert "expected a name that ends in .tsv or .jsonl" in message(
        f"train={tmp_path}/train.tsv,validation={tmp_path}/x.csv"
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


def test_words_are_those_of_karpathys_files():
    """The raw text and the tokens of sentences of dataset_flickr8k.json and dataset_coco.json."""
    for raw, tokens in [
        ("A black dog is running after a white dog in the snow .",
         ["a", "black", "dog", "is", "running", "after", "a", "white", "dog", "in", "the", "snow"]),
        ("Two people are at the edge of a lake , facing the water and the city skyline .",
         ["two", "people", "are", "at", "the", "edge", "of", "a", "lake", "facing", "the", "water",
          "and", "the", "city", "skyline"]),
        ("A little girl's t-shirt.", ["a", "little", "girls", "tshirt"]),
    ]:  # fmt: skip
        assert list(caption_words(raw)) == tokens


@given(st.text(st.characters(max_codepoint=127)))
def test_words_of_ascii_follow_pythons_own_idea_of_punctuation(text):
    table = str.maketrans("", "", string.punctuation)
    assert list(caption_words(text)) == text.lower().translate(table).split()


def test_words_beyond_ascii():
    assert caption_words("Ein „großer“ Hund – é ไม้ 5€ 🙂") == (
        "ein",
        "großer",
        "hund",
        "é",
        "ไม้",
        "5",
    )


def test_long_captions_are_counted_and_truncated_only_on_demand(tmp_path):
    touch(tmp_path)
    files = {"train.tsv": "a.jpg\tOne , two 's three . four\nb.jpg\tone two three .\n",
             "validation.tsv": "c.jpg\tone two three four five\n"}  # fmt: skip
    source = write(tmp_path, files)
    assert (
        load_captions(source)
        .notes[0]
        .endswith("without a caption (" + str(tmp_path / "d.jpg") + ")")
    )
    kept = load_captions(source, max_words=4)
    assert kept.splits == load_captions(source).splits
    assert kept.notes[1:] == (
        f"1 train caption of more than 4 words, kept whole ({tmp_path}/train.tsv:1)",
        f"1 validation caption of more than 4 words, kept whole ({tmp_path}/validation.tsv:1)",
    )
    cut = load_captions(source, max_words=3, long_captions="truncate")
    assert [image.captions for image in cut.splits["train"]] == [
        ("One , two 's",), ("one two three",)]  # fmt: skip
    assert cut.splits["validation"] == kept.splits["validation"]
    assert "of more than 3 words, truncated" in cut.describe()
    assert "max_words is 1 or more; got 0" in message(source, max_words=0)
    assert "did you mean 'truncate'" in message(source, long_captions="trunc")


def test_describe(tmp_path):
    assert load_captions(flickr(tmp_path)).describe() == (
        "train 2 images, 3 captions (1 to 2 each, of 2.7 words on average and 3 at most); "
        "validation 1 image, 2 captions (2 each, of 3.0 words on average and 4 at most); "
        "test 1 image, 1 caption (1 each, of 1.0 words on average and 1 at most); none faulty"
    )
