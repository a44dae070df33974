"""Images, and the questions that are asked about them."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Question(NamedTuple):
    """A question about an image.

    Attributes:
        text: as it was written.
        answer: to it; empty: not known.
        kind: what scores are counted by.
        place: where it is, `FILE:LINE`; empty: in no file.
    """

    text: str
    answer: str = ""
    kind: str = ""
    place: str = ""


class AskedImage(NamedTuple):
    """An image, and one question or more about it.

    Attributes:
        name: its path, or what messages call it.
        image: uint8 `[side, side, 3]`, red, green and blue.
    """

    name: str
    image: np.ndarray
    questions: tuple[Question, ...]


Splits = dict[str, list[AskedImage]]


def questions_of(asked: Iterable[AskedImage]) -> list[Question]:
    """All questions, image by image."""
    return [question for one in asked for question in one.questions]
