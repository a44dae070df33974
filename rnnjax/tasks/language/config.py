"""The settings of a language model, of its text and of its training."""

import dataclasses
from typing import Any, Self

from rnnjax.data import Level
from rnnjax.engines.problem import Remat
from rnnjax.errors import UserError
from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import NetworkConfig, Positive, Rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageData(TrainingConfig):
    """Which text, and how it is read."""

    heading = "Data"

    data: str = setting("embedded", "embedded, python_source, hello, a path, or tfds:NAME.")
    level: Level = setting("char", "char, or byte (256 symbols, any file).")
    encoding: str = setting("utf-8", "Encoding of the text files.")
    valid_fraction: float = setting(0.1, "Share of the text held out: whole files, or its end.")
    window: Positive = setting(64, "Steps between two updates (k1).")
    bptt: int = setting(0, "Steps that gradients reach back (k2); 0: as many as window.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LanguageConfig(LanguageData, NetworkConfig):
    """All that decides a run."""

    heading = "Model"

    embed_size: Positive = setting(64, "D, numbers a character is turned into.")
    dropout: Rate = setting(0.1, "Dropout on the output of each layer, a mask a window.")
    weight_drop: Rate = setting(0.0, "Dropout of recurrent weights, a mask a window.")
    remat: Remat = setting(
        "none", "What the backward pass computes again to save memory: none, gates or sqrt."
    )

    def with_settings(self, **given: Any) -> Self:
        """The config with these fields; windows are no longer than a `bptt` that is given."""
        if 0 < given.get("bptt", 0) < self.window:
            given.setdefault("window", given["bptt"])
        return super().with_settings(**given)

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        if self.bptt and self.bptt < self.window:
            raise UserError(f"--config.bptt={self.bptt} is below --config.window={self.window}")
