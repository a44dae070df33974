"""Images of a split as the model reads them, with their captions."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rnnjax.data.named_splits import SPLITS
from rnnjax.errors import UserError
from rnnjax.metrics.attention import Region
from rnnjax.tasks.captioning.batches import Pictures
from rnnjax.tasks.captioning.captioned_images import CaptionedImage, read_images
from rnnjax.tasks.captioning.captioner import Locations
from rnnjax.tasks.captioning.config import SCENES, CaptionerConfig
from rnnjax.tasks.captioning.corpora import load_captions
from rnnjax.tasks.captioning.efficientnet import EfficientNetLite0
from rnnjax.tasks.captioning.feature_files import stored_features
from rnnjax.tasks.captioning.features import features_of
from rnnjax.tasks.captioning.scenes import DigitScenes

Images = Sequence[CaptionedImage] | DigitScenes


@dataclasses.dataclass(frozen=True)
class Split:
    """Images, each with what was said of it.

    Attributes:
        names: of the images.
        pictures: gives an image by its index as the model reads it.
        references: captions of each image; none where they are unknown.
        show: gives an image by its index for people to see, uint8 [height, width, 3].
        regions: of the words of each image's first caption, where they are known.
        skipped: what is wrong with the images that were left out as faulty.
    """

    names: Sequence[str]
    pictures: Pictures
    references: Sequence[tuple[str, ...]]
    show: Callable[[int], np.ndarray]
    regions: Sequence[Sequence[Region]] | None = None
    skipped: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def locations(self) -> Locations | None:
        """Of its features; None: there are images."""
        features = self.pictures(0).get("features")
        if features is None:
            return None
        side = math.isqrt(len(features))
        return Locations(side, side, features.shape[1])


def splits_of(config: CaptionerConfig) -> Mapping[str, Images]:
    """The images of each split of the data of a config; of scenes, of the splits that have an end.

    Raises:
        UserError: the data cannot be read.
    """
    if config.data == SCENES:
        sizes = {"seed": config.seed, "side": config.image_size}
        return {split: DigitScenes(split, **sizes) for split in SPLITS if split != "train"}
    return load_captions(config).splits


def _of_scenes(scenes: DigitScenes) -> Split:
    """All scenes of a split that has an end."""
    drawn = list(scenes)
    images = np.stack([scene.image for scene in drawn])
    return Split(
        names=[f"{scenes.split} {n}" for n in range(len(drawn))],
        pictures=lambda n: {"image": images[n]},
        references=[(" ".join(scene.caption),) for scene in drawn],
        show=images.__getitem__,
        regions=[scene.regions for scene in drawn],
    )


def split_of(config: CaptionerConfig, images: Images) -> Split:
    """Any images, with captions or without, as the model of a config reads them.

    Images that the encoder sees anew in every batch are read and resized now; those of which only
    the features are read, where somebody wants to see them.

    Raises:
        UserError: an image or its features cannot be read, or none is left.
    """
    if isinstance(images, DigitScenes):
        return _of_scenes(images)
    policy, skip_faulty = config.resize, config.skip_faulty
    if config.features or config.encoder == "efficientnet":
        if config.features:
            found = stored_features(config.features, images, skip_missing=skip_faulty)
        else:
            encoder, cache = EfficientNetLite0(), config.cache
            found = features_of(
                images, encoder, policy=policy, cache_dir=cache, skip_faulty=skip_faulty
            )
        kind, (kept, take, skipped) = "features", found
    else:
        kept, pixels, skipped = read_images(
            images, lambda image: image.pixels(config.image_size, policy), skip_faulty=skip_faulty
        )
        kind, take = "image", pixels.__getitem__
    if not kept:
        told = "".join(f"; {fault}" for fault in skipped[:1])
        raise UserError(f"no image is left: all of them are faulty{told}")
    side = EfficientNetLite0.side
    return Split(
        names=[one.image for one in kept],
        pictures=lambda n: {kind: take(n)},
        references=[tuple(one.captions) for one in kept],
        show=lambda n: take(n) if kind == "image" else kept[n].pixels(side, policy),
        skipped=skipped,
    )
