"""The settings of the task."""

import dataclasses

from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import NetworkConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class MusicSource(TrainingConfig):
    """Which pieces, and how they are read."""

    heading = "Data"

    data: str = setting(
        "embedded",
        "embedded (Bach's chorales of the package music21), a .mat file of piano rolls, or MIDI "
        "files: one, a folder, or train=PATH,validation=PATH,test=PATH.",
    )
    frames_per_quarter: int = setting(
        1, "Frames of a quarter note, in which MIDI files and chorales are read and written."
    )
    window: int = setting(200, "Longer training pieces are cut into parts of so many frames.")
    num_buckets: int = setting(4, "Lengths that pieces are padded to.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MusicConfig(MusicSource, NetworkConfig):
    """All that decides a run."""

    heading = "Model"

    nade_size: int = setting(
        0, "Hidden units of NADE, which makes the notes of a frame depend on each other; 0: none."
    )
    hidden_size: int = setting(200, "H, units a layer.")
    dropout: float = setting(0.5, "On the output of each layer, a mask a piece.")

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        self.check_at_least(1, "frames_per_quarter", "window", "num_buckets")
        self.check_at_least(0, "nade_size")
