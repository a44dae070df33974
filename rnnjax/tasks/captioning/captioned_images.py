"""Images with captions, corpora of them, and the vocabulary of captions."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from rnnjax.data.files import existing
from rnnjax.data.images import IMAGE_SUFFIXES, ResizePolicy, decode_image, read_bytes
from rnnjax.data.word_vocabulary import START, UNKNOWN_WORD, WordVocabulary
from rnnjax.errors import UserError, counted

UNSPEAKABLE = (START, UNKNOWN_WORD)
"""The ids that a caption which a model writes never holds."""


class Skipped(NamedTuple):
    """Something faulty that was left out because the user allowed it.

    Attributes:
        name: an image, or `FILE:LINE`.
        message: what is wrong with it, in a sentence that names it.
    """

    name: str
    message: str


class CaptionedImage(NamedTuple):
    """An image and its captions.

    Attributes:
        image: its path; of an image that is no file of its own its name, `tfds:NAME SPLIT NUMBER`.
        captions: as they were written, at least one; none where they are to be predicted.
        stored: of an image that is no file of its own: returns its bytes.
    """

    image: str
    captions: tuple[str, ...] = ()
    stored: Callable[[], bytes] | None = None

    def encoded(self) -> bytes:
        """The image as it is stored: a whole JPEG or other file.

        Raises:
            UserError: it cannot be read.
        """
        return self.stored() if self.stored else read_bytes(self.image)


class CaptionCorpus(NamedTuple):
    """Images with captions in splits.

    Attributes:
        splits: of "train", "validation" and, where there is one, "test".
        skipped: the faulty images and captions that were left out.
    """

    splits: dict[str, list[CaptionedImage]]
    skipped: tuple[Skipped, ...]

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
    return tuple(caption.lower().translate(_WITHOUT_PUNCTUATION).split())


class _WithoutPunctuation(dict[int, int | None]):
    """A table for `str.translate`, filled as characters come."""

    def __missing__(self, code: int) -> int | None:
        is_mark = unicodedata.category(chr(code))[0] in "PS"
        self[code] = None if is_mark else code
        return self[code]


_WITHOUT_PUNCTUATION = _WithoutPunctuation()


class CaptionVocabulary(WordVocabulary):
    """A vocabulary of captions, whose words are those of `caption_words`."""

    texts_are: ClassVar[str] = "captions"

    @classmethod
    def words_of(cls, text: str) -> Sequence[str]:
        """The words of a caption."""
        return caption_words(text)


def images_at(path: str) -> list[CaptionedImage]:
    """An image, or all images of a folder, ordered by name; files of other suffixes are skipped.

    Args:
        path: of the file or folder.

    Raises:
        UserError: there is no such path, or no image in the folder.
    """
    place = existing(path)
    if place.is_file():
        return [CaptionedImage(str(place))]
    found = sorted(file for file in place.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise UserError(f"no image in {path}: expected names ending in {', '.join(IMAGE_SUFFIXES)}")
    return [CaptionedImage(str(file)) for file in found]


def read_images(
    images: Iterable[CaptionedImage], *, size: int, policy: ResizePolicy, skip_faulty: bool = False
) -> tuple[list[CaptionedImage], list[np.ndarray], list[Skipped]]:
    """Reads images.

    Args:
        images: with captions or without.
        size: of both sides of the results, in pixels.
        policy: see `rnnjax.data.images.decode_image`.
        skip_faulty: an image that cannot be read is left out; otherwise it is an error.

    Returns:
        The images that could be read; for each of them uint8 [size, size, 3]; and a record of each
        that is left out.

    Raises:
        UserError: an image cannot be read, or there is no such size or policy.
    """
    kept, pixels, skipped = [], [], []
    for image in images:
        try:
            pixels.append(decode_image(image.encoded(), image.image, size=size, policy=policy))
            kept.append(image)
        except UserError as error:
            if not skip_faulty:
                raise
            skipped.append(Skipped(image.image, str(error)))
    return kept, pixels, skipped


def _size(images: Sequence[CaptionedImage]) -> str:
    counts = [len(image.captions) for image in images]
    lengths = [len(caption_words(caption)) for image in images for caption in image.captions]
    each = str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    return (
        f"{counted(len(images), 'image')}, {counted(len(lengths), 'caption')} ({each} each, of "
        f"{np.mean(lengths):.1f} words on average and {max(lengths)} at most)"
    )
