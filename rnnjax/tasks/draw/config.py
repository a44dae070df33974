"""The settings of the task."""

import dataclasses

from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import NetworkConfig

BINARISATIONS = ("threshold", "stochastic")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSource(TrainingConfig):
    """Which images, and how they are read."""

    heading = "Data"

    data: str = setting(
        "embedded",
        "embedded (scikit-learn's digits), an .npz file, a folder of images or .npz files whose "
        "names say train, valid and test, or train=PATH,validation=PATH,test=PATH.",
    )
    image_size: int = setting(
        0, "Image files: both sides in pixels, scaled to; 0: as they are, all of one size."
    )
    binarise: str = setting(
        "threshold",
        "How grey becomes 0 or 1: threshold (above a half), or stochastic (drawn with the grey as "
        "the probability: for training anew in every epoch, once for the held-out splits).",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrawConfig(ImageSource, NetworkConfig):
    """All that decides a run."""

    heading = "Model"

    hidden_size: int = setting(128, "H, units a layer, in the encoder and in the decoder.")
    num_glimpses: int = setting(10, "T, steps of reading and writing.")
    latent_size: int = setting(10, "Z, latent variables a step.")
    read_size: int = setting(
        5, "N, filters in each direction that read; 0: without attention, the image is read whole."
    )
    write_size: int = setting(
        5, "N, filters in each direction that write; 0: without attention, on the whole canvas."
    )

    dropout: float = setting(0.0, "On the outputs of encoder and decoder, a mask an image.")

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        self.check_choice("binarise", BINARISATIONS)
        self.check_at_least(1, "num_glimpses", "latent_size")
        self.check_at_least(0, "image_size", "read_size", "write_size")
