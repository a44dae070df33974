"""Images with captions, corpora of them, and the vocabulary of captions."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np

from rnnjax.data.files import existing
from rnnjax.data.images import IMAGE_SUFFIXES, ResizePolicy, decode_image, read_bytes
from rnnjax.data.word_vocabulary import START, UNKNOWN_WORD, WordVocabulary
from rnnjax.errors import UserError, counted

T = TypeVar("T")

UNSPEAKABLE = (START, UNKNOWN_WORD)
"""The ids that a caption which a model writes never holds."""


class CaptionedImage(NamedTuple):
    """An image and its captions.

    Attributes:
        image: its path; of an image that is no file of its own its name, `tfds:NAME SPLIT NUMBER`.
        captions: as they were written; none where they are to be predicted.
        source: where it stands, for messages.
        split: "train", "validation" or "test"; None where the source does not say.
        stored: of an image that is no file of its own: returns its bytes.
    """

    image: str
    captions: list[str]
    source: str = ""
    split: str | None = None
    stored: Callable[[], bytes] | None = None

    def add(self, text: str, source: str, faults: list[str]) -> None:
        """Adds a caption that stands at `source`; one without a word is a fault."""
        text = text.strip()
        if caption_words(text):
            self.captions.append(text)
        else:
            faults.append(f"{source}: a caption without a word, {text!r}, of {self.image}")

    def encoded(self) -> bytes:
        """The image as it is stored: a whole JPEG or other file.

        Raises:
            UserError: it cannot be read.
        """
        return self.stored() if self.stored else read_bytes(self.image)

    def pixels(self, size: int, policy: ResizePolicy) -> np.ndarray:
        """The image in a square, uint8 `[size, size, 3]`; see `rnnjax.data.images.decode_image`."""
        return decode_image(self.encoded(), self.image, size=size, policy=policy)


class CaptionCorpus(NamedTuple):
    """Images with captions in splits.

    Attributes:
        splits: of "train", "validation" and, where there is one, "test".
        skipped: of each faulty image or caption that was left out, where it is and what is wrong.
    """

    splits: dict[str, list[CaptionedImage]]
    skipped: tuple[str, ...]

    def describe(self) -> str:
        """Its numbers, in one line."""
        parts = [f"{split} {_size(images)}" for split, images in self.splits.items()]
        parts.append(f"{len(self.skipped):,} left out as faulty" if self.skipped else "none faulty")
        return "; ".join(parts)


def caption_words(caption: str) -> tuple[str, ...]:
    """The words of a caption, split as in Karpathy's Flickr8k.

    In lower case, split at white space, without punctuation and symbols (Unicode's categories P and
    S), even within a word: `A man's T-shirt .` gives `a mans tshirt`. No word is empty.
    """
    kept = (c for c in caption.lower() if unicodedata.category(c)[0] not in "PS")
    return tuple("".join(kept).split())


class CaptionVocabulary(WordVocabulary):
    """A vocabulary of captions, whose words are those of `caption_words`."""

    texts_are: ClassVar[str] = "captions"

    @classmethod
    def words_of(cls, text: str) -> Sequence[str]:
        """The words of a caption."""
        return caption_words(text)


def images_at(path: str) -> list[CaptionedImage]:
    """An image, or all images of a folder, ordered by name; files of other suffixes are skipped.

    Raises:
        UserError: there is no such path, or no image in the folder.
    """
    place = existing(path)
    if place.is_file():
        return [CaptionedImage(str(place), [])]
    found = sorted(file for file in place.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise UserError(f"no image in {path}: expected names ending in {', '.join(IMAGE_SUFFIXES)}")
    return [CaptionedImage(str(file), []) for file in found]


def read_images(
    images: Iterable[CaptionedImage], read: Callable[[CaptionedImage], T], *, skip_faulty: bool
) -> tuple[list[CaptionedImage], list[T], list[str]]:
    """Reads images.

    Args:
        images: with captions or without.
        read: what is made of an image, such as its pixels.
        skip_faulty: an image that cannot be read is left out; otherwise it is an error.

    Returns:
        The images that could be read; what was made of them; and what is wrong with the others.

    Raises:
        UserError: an image cannot be read.
    """
    kept, made, skipped = [], [], []
    for image in images:
        try:
            made.append(read(image))
            kept.append(image)
        except UserError as error:
            if not skip_faulty:
                raise
            skipped.append(str(error))
    return kept, made, skipped


def _size(images: Sequence[CaptionedImage]) -> str:
    counts = [len(image.captions) for image in images]
    lengths = [len(caption_words(caption)) for image in images for caption in image.captions]
    each = str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    return (
        f"{counted(len(images), 'image')}, {counted(len(lengths), 'caption')} ({each} each, of "
        f"{np.mean(lengths):.1f} words on average and {max(lengths)} at most)"
    )
