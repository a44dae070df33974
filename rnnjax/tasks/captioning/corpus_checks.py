"""Checks of a corpus of captioned images: faults, and notes on what is unusual."""

import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rnnjax.data.images import IMAGE_SUFFIXES, Skipped
from rnnjax.tasks.captioning.annotation_formats import Annotations, Caption, Listed
from rnnjax.tasks.captioning.captioned_images import CaptionedImage, caption_words, counted


def gathered(annotations: Annotations) -> tuple[dict[str, list[CaptionedImage]], list[Skipped]]:
    """The images of a corpus with their captions, and what is faulty in them.

    Args:
        annotations: with whole paths, and with a split for every image.

    Returns:
        The images of each split that are without fault, in their order; and the faults, those of
        the annotations first.
    """
    annotations = annotations._replace(faults=list(annotations.faults))
    owner: dict[str, Listed] = {}
    for image in annotations.listed:
        first = owner.setdefault(image.image, image)
        if first is not image:
            where = f"for {first.split} at {first.source}"
            annotations.add_fault(image.source, f"the image {image.image} is listed also {where}")
    texts: dict[str, list[Caption]] = {image: [] for image in owner}
    for caption in annotations.captions:
        if caption.image in texts and caption_words(caption.text):
            texts[caption.image].append(caption)
        elif caption.image in texts:
            what = f"a caption without a word, {caption.text!r}, of {caption.image}"
            annotations.add_fault(caption.source, what)
    found: dict[str, list[CaptionedImage]] = {}
    names_in = functools.cache(_names_in)
    for name, image in owner.items():
        is_file = image.stored is None
        if is_file and os.path.basename(name) not in names_in(os.path.dirname(name)):
            annotations.add_fault(image.source, f"the image {name} does not exist")
        elif not texts[name]:
            annotations.add_fault(image.source, f"the image {name} has no caption")
        else:
            captioned = CaptionedImage(
                name, tuple(c.text for c in texts[name]), texts[name][0].source, image.stored
            )
            found.setdefault(str(image.split), []).append(captioned)
    return found, annotations.faults


def _names_in(folder: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder or "."))
    except OSError:
        return frozenset()


def notes_on_files(annotations: Annotations) -> Iterator[str]:
    """Yields notes on captions of no listed image, and images without captions.

    Args:
        annotations: with whole paths.
    """
    listed = {image.image for image in annotations.listed}
    captioned = {caption.image for caption in annotations.captions}
    unlisted = sorted(captioned - listed)
    if unlisted:
        absent = [name for name in unlisted if not os.path.exists(name)]
        yield _note(unlisted, "captioned image", "in no split list")
        if absent:
            yield f"{len(absent):,} of these not there either ({some(absent)})"
    known = listed | captioned
    folders = sorted({os.path.dirname(name) for name in known})
    files = (os.path.join(folder, name) for folder in folders for name in sorted(_names_in(folder)))
    without = [
        file for file in files
        if file.lower().endswith(IMAGE_SUFFIXES) and file not in known
    ]  # fmt: skip
    if without:
        yield _note(without, "image file", "without a caption")


def notes_on_captions(
    splits: Mapping[str, Iterable[CaptionedImage]], max_words: int, truncated: bool
) -> Iterator[str]:
    """Yields notes on captions that are repeated or long.

    Args:
        splits: of the corpus.
        max_words: that a caption may have without being long.
        truncated: whether long captions for training will be truncated.
    """
    images = [image for part in splits.values() for image in part]
    repeated = [image.source for image in images if len(set(image.captions)) < len(image.captions)]
    if repeated:
        yield _note(repeated, "image", "with a caption more than once")
    for split, part in splits.items():
        long = [
            image.source for image in part for c in image.captions
            if len(caption_words(c)) > max_words
        ]  # fmt: skip
        done = "truncated" if truncated and split == "train" else "kept whole"
        if long:
            yield _note(long, f"{split} caption", f"of more than {max_words} words, {done}")


def _note(named: Sequence[str], noun: str, what: str) -> str:
    return f"{counted(len(named), noun)} {what} ({some(named)})"


def some(texts: Sequence[str]) -> str:
    """The first three, and whether there are more."""
    return "; ".join(texts[:3]) + ("; ..." if len(texts) > 3 else "")
