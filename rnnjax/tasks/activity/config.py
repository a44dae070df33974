"""The settings of the task."""

import dataclasses
from typing import get_args

from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.models.sequence_classifier import Pooling
from rnnjax.training import setting
from rnnjax.training.config import NetworkConfig, Positive, Rate


def subjects_of(text: str) -> frozenset[int]:
    """The numbers in a list with commas.

    Raises:
        UserError: a part is no number.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not part.isdecimal():
            raise UserError(f"expected numbers of subjects, such as 1,3,5; got {text!r}")
    return frozenset(map(int, parts))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActivityConfig(training.TrainingConfig, NetworkConfig):
    """All that decides a run."""

    heading = "Data"

    data: str = setting(
        "embedded",
        "embedded, .npz files (one, a folder whose file names say train, valid and test, or "
        "train=PATH,validation=PATH,test=PATH), or skeletons: a folder or a tar file.",
    )
    train_subjects: str = setting("1,3,5,7,9", "Skeletons: who is for training; others: the test.")
    validation_subjects: str = setting(
        "9", "Skeletons: those of train_subjects that are for validation instead; empty: none."
    )
    num_buckets: Positive = setting(2, "Lengths that videos are padded to.")
    cell: str = setting("gru", NetworkConfig.__dataclass_fields__["cell"].metadata["help"])
    frame_size: Positive = setting(32, "E, numbers that the CNN turns an image into.")
    hidden_size: Positive = setting(64, "H, units of a layer in each direction.")
    bidirectional: bool = setting(True, "Read forwards and backwards.")
    pooling: Pooling = setting("mean", f"One vector of a video: {', '.join(get_args(Pooling))}.")
    dropout: Rate = setting(0.2, "On frames, layers and the vector of a video, a mask a video.")

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        train, validation = map(subjects_of, (self.train_subjects, self.validation_subjects))
        if not validation < train:
            raise UserError(
                "--config.validation_subjects are some of --config.train_subjects, not all; got "
                f"{self.validation_subjects} of {self.train_subjects}"
            )
