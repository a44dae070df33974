"""The settings of the task."""

import dataclasses

from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import Count, NetworkConfig, Positive, Rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class MusicSource(TrainingConfig):
    """Which pieces, and how they are read."""

    heading = "Data"

    data: str = setting(
        "embedded",
        "embedded (Bach's chorales of the package music21), a .mat file of piano rolls, or MIDI "
        "files: one, a folder, or train=PATH,validation=PATH,test=PATH.",
    )
    frames_per_quarter: Positive = setting(
        1, "Frames of a quarter note, in which MIDI files and chorales are read and written."
    )
    window: Positive = setting(200, "Longer training pieces are cut into parts of so many frames.")
    num_buckets: Positive = setting(4, "Lengths that pieces are padded to.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MusicConfig(MusicSource, NetworkConfig):
    """All that decides a run."""

    heading = "Model"

    nade_size: Count = setting(
        0, "Hidden units of NADE, which makes the notes of a frame depend on each other; 0: none."
    )
    hidden_size: Positive = setting(200, "H, units a layer.")
    dropout: Rate = setting(0.5, "On the output of each layer, a mask a piece.")
