"""Images of a split as the model reads them, with their captions."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from rnnjax import data
from rnnjax.errors import UserError
from rnnjax.metrics.attention import Region
from rnnjax.tasks.captioning.batches import Pictures
from rnnjax.tasks.captioning.captioned_images import CaptionedImage, read_images
from rnnjax.tasks.captioning.captioner import Locations
from rnnjax.tasks.captioning.features import Features
from rnnjax.tasks.captioning.scenes import DigitScenes


@dataclasses.dataclass(frozen=True)
class Split:
    """Images, each with what was said of it.

    Attributes:
        names: of the images.
        pictures: what the model reads.
        references: captions of each image; none where they are unknown.
        show: gives an image by its index for people to see, uint8 [height, width, 3].
        regions: of the words of each image's first caption, where they are known.
        locations: of features; None where the model reads images.
    """

    names: Sequence[str]
    pictures: Pictures
    references: Sequence[tuple[str, ...]]
    show: Callable[[int], np.ndarray]
    regions: Sequence[Sequence[Region]] | None = None
    locations: Locations | None = None

    def __len__(self) -> int:
        return len(self.names)


def of_scenes(scenes: DigitScenes) -> Split:
    """All scenes of a split that has an end."""
    drawn = list(scenes)
    images = np.stack([scene.image for scene in drawn])
    return Split(
        names=[f"{scenes.split} {n}" for n in range(len(drawn))],
        pictures=Pictures("image", images.__getitem__),
        references=[(" ".join(scene.caption),) for scene in drawn],
        show=images.__getitem__,
        regions=[scene.regions for scene in drawn],
    )


def of_images(
    images: Sequence[CaptionedImage],
    *,
    size: int,
    policy: data.ResizePolicy,
    skip_faulty: bool = False,
) -> Split:
    """Images that the encoder sees anew in every batch, read and resized now.

    Args:
        images: with captions or without.
        size: of both sides, in pixels.
        policy: see `data.decode_image`.
        skip_faulty: see `data.read_images`.

    Raises:
        UserError: an image cannot be read, or none is left.
    """
    read = list(read_images(images, size=size, policy=policy, skip_faulty=skip_faulty))
    kept = [n for n, image in enumerate(read) if isinstance(image, np.ndarray)]
    arrays = np.stack([read[n] for n in kept]) if kept else np.zeros((0, size, size, 3), np.uint8)
    return _split([images[n] for n in kept], "image", arrays.__getitem__, arrays.__getitem__)


def of_features(features: Features, *, size: int, policy: data.ResizePolicy) -> Split:
    """Images of which only the features are read, but where somebody wants to see them.

    Args:
        features: of the images.
        size: of both sides of an image that is shown, in pixels.
        policy: how the encoder's images were made square.

    Raises:
        UserError: there are no features.
    """

    def show(index: int) -> np.ndarray:
        (image,) = read_images([features.images[index]], size=size, policy=policy)
        assert isinstance(image, np.ndarray)
        return image

    split = _split(features.images, "features", features.take, show)
    locations = Locations(*features.grid, features.output_size)
    return dataclasses.replace(split, locations=locations)


def _split(images: Iterable[CaptionedImage], kind: str, take, show) -> Split:
    images = list(images)
    if not images:
        raise UserError("no image is left: all of them are faulty")
    return Split(
        names=[image.image for image in images],
        pictures=Pictures(kind, take),
        references=[image.captions for image in images],
        show=show,
    )
