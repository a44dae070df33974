"""Files of captions in several layouts, and what a corpus reads of them."""

import json

import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.captioning import corpora
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
        split: {i.image.removeprefix(f"{folder}/"): tuple(i.captions) for i in images}
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


def coco(folder, split, names, more_images=(), more_annotations=()):
    images = [{"id": 7 * ord(n[0]), "file_name": n} for n in names]
    texts = [(image["id"], text) for image in images for text in TEXTS[image["file_name"]]]
    annotations = [{"id": k, "image_id": n, "caption": text} for k, (n, text) in enumerate(texts)]
    document = {"images": [*images, *more_images],
                "annotations": [*reversed(annotations), *more_annotations]}  # fmt: skip
    write(folder, {f"captions_{split}.json": json.dumps(document)})


def tsv(names):
    return "".join(f"{name}\t{text}\n" for name in names for text in TEXTS[name])


def jsonl(names):
    rows = [{"image": name, "caption": text} for name in names for text in TEXTS[name]]
    return "".join(f"{json.dumps(row)}\n" for row in rows)
