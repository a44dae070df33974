"""Feature maps of images, wherever they come from."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnjax.data.images import Skipped
from rnnjax.tasks.captioning.corpora import CaptionedImage


@dataclass(frozen=True)
class Features:
    """The feature maps of images, read one by one.

    Attributes:
        images: those that have features, in the order in which they were given.
        grid: rows and columns of locations; S = rows * columns.
        output_size: F, features a location.
        skipped: the images that were left out.
        read: gives the features of the image with a number, `[S, F]`.
    """

    images: tuple[CaptionedImage, ...]
    grid: tuple[int, int]
    output_size: int
    skipped: tuple[Skipped, ...]
    read: Callable[[int], np.ndarray] = field(repr=False)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> np.ndarray:
        """The features of an image, `[S, F]`, in the dtype in which they are stored."""
        return self.read(range(len(self))[index])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def take(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """The features of several images, `[B, S, F]`."""
        return np.stack([self[int(index)] for index in indices])
