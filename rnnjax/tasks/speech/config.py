"""The settings of a network that writes what it hears, of its data and of its training."""

import dataclasses
from typing import Annotated, Literal, get_args

from rnnjax.errors import UserError
from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import Count, Depth, Limits, NetworkConfig, Positive, Rate

Output = Literal["ctc", "attention"]
"""CTC on the steps of the layers, or a decoder that attends to them, symbol by symbol."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpeechConfig(TrainingConfig, NetworkConfig):
    """All that decides a run."""

    heading = "Data"

    data: str = setting(
        "embedded", "embedded (Morse code), a folder with named splits, or recordings.tar.gz."
    )
    audio_column: str = setting("file", "Tables: column of the sound files, or its number.")
    text_column: str = setting("text", "Tables: column of the texts, or its number.")
    encoding: str = setting("utf-8", "Encoding of the tables.")
    fold: Annotated[int, Limits(0, 9)] = setting(
        0, "One table: which of 10 folds is for the test, from 0."
    )
    rate: Annotated[int, Limits(1000, 192_000)] = setting(
        8000, "Samples a second; others are converted."
    )
    max_seconds: Annotated[float, Limits(0.1, 3600)] = setting(20.0, "Longest recording.")
    num_bands: Annotated[int, Limits(1, 128)] = setting(
        40, "Mel bands of a spectrogram, with windows of 25 ms every 10 ms."
    )
    subsampling: str = setting(
        "3", "Frames that become one before each layer: 3, or 2,2 for two layers; 1: all stay."
    )
    time_masks: Annotated[int, Limits(0, 100)] = setting(
        2, "SpecAugment: stretches of time that are masked."
    )
    time_width: Rate = setting(0.1, "SpecAugment: the longest of them, as a share of the frames.")
    band_masks: Annotated[int, Limits(0, 100)] = setting(
        2, "SpecAugment: stretches of bands that are masked."
    )
    band_width: Count = setting(6, "SpecAugment: bands in the widest of them.")
    num_buckets: Positive = setting(4, "Lengths that recordings are padded to.")
    cell: str = setting("gru", NetworkConfig.__dataclass_fields__["cell"].metadata["help"])
    output: Output = setting("ctc", f"How texts are written: {' or '.join(get_args(Output))}.")
    hidden_size: Positive = setting(64, "H, units of a layer in each direction.")
    num_layers: Depth = setting(2, "L, recurrent layers.")
    bidirectional: bool = setting(True, "Read forwards and backwards.")
    dropout: Rate = setting(0.1, "On layers' outputs, a mask a sequence.")

    @property
    def factors(self) -> tuple[int, ...]:
        """Frames that become one before each layer, `num_layers` of them."""
        parts = self.subsampling.split(",")
        good = [part.isascii() and part.isdigit() and 1 <= int(part) <= 100 for part in parts]
        if not all(good):
            raise UserError(
                "--config.subsampling is numbers from 1 to 100, such as 2,2; got "
                f"{self.subsampling!r}"
            )
        if len(parts) > self.num_layers:
            raise UserError(
                f"--config.subsampling={self.subsampling} has {len(parts)} numbers: expected at "
                f"most one for each layer (--config.num_layers={self.num_layers})"
            )
        return (*map(int, parts), *[1] * (self.num_layers - len(parts)))

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        _ = self.factors
