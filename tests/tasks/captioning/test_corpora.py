"""Captions in the layouts that people have them in, each written here by hand."""

import csv
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.tasks.captioning.captioned_images import caption_words
from tests.tasks.captioning.corpus_files import (
    IMAGES,
    TEXTS,
    coco,
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


@pytest.mark.parametrize("token", ["Flickr8k.token.txt", "results_20130124.token"])
def test_flickr(tmp_path, token):
    source = flickr(tmp_path, token)
    write(tmp_path, {"Flickr8k.lemma.token.txt": "a.jpg#0\tdog run\n"})
    corpus = load_captions(source)
    assert read(corpus, tmp_path) == expected("Images/")
    assert [image.image[-5:] for image in corpus.splits["train"]] == ["b.jpg", "a.jpg"]
    assert corpus.skipped == ()
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
    assert [fault.partition(": ")[0] for fault in corpus.skipped] == [f"{tmp_path}/captions.txt:10"]
    write(tmp_path, {"captions.txt": 'image,caption\na.jpg,"A dog\nb.jpg,Two cats\n'})
    assert f"{tmp_path}/captions.txt:2 is no CSV" in message(str(tmp_path))


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
    assert "images[2] (c.jpg) has the unknown split 'vla': did you mean 'val'?" in told
    told = message(karpathy(tmp_path, a={"sentences": [{"sentid": 1}]}))
    assert "images[0] (a.jpg) is not as in Karpathy's files: KeyError('tokens')" in told
    told = message(karpathy(tmp_path, a={"filename": 3}))
    assert "images[0] is not as in Karpathy's files: TypeError(" in told
    source = write(tmp_path, {"dataset_flickr8k.json": '{"images": [\n{]}'})
    assert "dataset_flickr8k.json:2:2 is no JSON" in message(source)
    source = write(tmp_path, {"dataset_flickr8k.json": "[]"})
    assert "is not as in Karpathy's files" in message(source)


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
    wrong = [{"id": 8, "image_id": 99, "caption": "y"}]
    coco(tmp_path, "train2014", ["a.jpg", "b.jpg"], [again, bare], wrong)
    coco(tmp_path, "val2014", ["c.jpg"])
    touch(tmp_path, [f"train2014/{n}.jpg" for n in "abe"] + ["val2014/c.jpg"])
    corpus = load_captions(str(tmp_path), skip_faulty=True)
    path = f"{tmp_path}/captions_train2014.json"
    assert list(corpus.skipped) == [
        f"{path}: images[2] (train2014/z.jpg): id 679 is also that of train2014/a.jpg",
        f"{path}: annotations[3]: a caption of image_id 99, which no image has: 'y'",
        f"{path}: images[3] (train2014/e.jpg): the image {tmp_path}/train2014/e.jpg has no caption",
    ]
    assert len(corpus.splits["train"]) == 2
    write(tmp_path, {"captions_val2014.json": '{"images": [{"id": 1}]}'})
    told = message(str(tmp_path))
    assert "captions_val2014.json: images[0] is not as in COCO's files: KeyError('file_n" in told


def test_tsv_and_jsonl(tmp_path):
    touch(tmp_path)
    files = {
        "my_train.tsv": "image\tcaption\n" + tsv(["a.jpg", "b.jpg"]),
        "dev.tsv": tsv(["c.jpg"]),
        "test.jsonl": jsonl(["d.jpg"]),
    }
    corpus = load_captions(write(tmp_path, files))
    assert read(corpus, tmp_path) == expected()
    more = {"train.jsonl": jsonl(["a.jpg", "b.jpg"]), "val.jsonl": jsonl(["c.jpg"])}
    source = ",".join(f"{split}={tmp_path}/{name}" for split, name in [
        ("train", "train.jsonl"), ("validation", "val.jsonl"), ("test", "test.jsonl")])  # fmt: skip
    write(tmp_path, more)
    assert read(load_captions(source), tmp_path) == expected()
    assert "two files for the split train: " in message(str(tmp_path))
    source = write(tmp_path / "b", {"more.tsv": tsv(["a.jpg"]), "train.tsv": tsv(["b.jpg"])})
    assert "more.tsv does not say in its name which split" in message(source)


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


def test_describe(tmp_path):
    assert load_captions(flickr(tmp_path)).describe() == (
        "train 2 images, 3 captions (1 to 2 each, of 2.7 words on average and 3 at most); "
        "validation 1 image, 2 captions (2 each, of 3.0 words on average and 4 at most); "
        "test 1 image, 1 caption (1 each, of 1.0 words on average and 1 at most); none faulty"
    )
