"""The settings of the task."""

import dataclasses
from typing import Literal

from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import Count, NetworkConfig, Positive, Rate

Binarisation = Literal["threshold", "stochastic"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSource(TrainingConfig):
    """Which images, and how they are read."""

    heading = "Data"

    data: str = setting(
        "embedded",
        "embedded (scikit-learn's digits), an .npz file such as mnist.npz, a folder of images (its "
        "names may say train, valid, test), train=PATH,validation=PATH,test=PATH, or tfds:NAME.",
    )
    image_size: Count = setting(
        0, "Image files: both sides in pixels, scaled to; 0: as they are, all of one size."
    )
    binarise: Binarisation = setting(
        "threshold",
        "How grey becomes 0 or 1: threshold (above a half), or stochastic (drawn with the grey as "
        "the probability: for training anew in every epoch, once for the held-out splits).",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrawConfig(ImageSource, NetworkConfig):
    """All that decides a run."""

    heading = "Model"

    hidden_size: Positive = setting(128, "H, units a layer, in the encoder and in the decoder.")
    num_glimpses: Positive = setting(10, "T, steps of reading and writing.")
    latent_size: Positive = setting(10, "Z, latent variables a step.")
    read_size: Count = setting(
        5, "N, filters in each direction that read; 0: without attention, the image is read whole."
    )
    write_size: Count = setting(
        5, "N, filters in each direction that write; 0: without attention, on the whole canvas."
    )

    dropout: Rate = setting(0.0, "On the outputs of encoder and decoder, a mask an image.")
