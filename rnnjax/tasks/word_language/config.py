"""The settings of a language model of words."""

import dataclasses

from rnnjax.cells import Cell, stack, variational_dropout
from rnnjax.errors import UserError
from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import NetworkConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class WordData(TrainingConfig):
    """Which text, and how it is read."""

    heading = "Data"

    data: str = setting("embedded", "embedded, python_source, a path, or tfds:NAME.")
    encoding: str = setting("utf-8", "Encoding of the text files.")
    valid_fraction: float = setting(0.1, "Share of the text held out, from its end.")
    min_count: int = setting(2, "Words that are rarer in the training text are <unknown>.")
    window: int = setting(35, "Words between two updates.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WordConfig(WordData, NetworkConfig):
    """All that decides a run; the names of the dropouts are those of Merity et al. 2018."""

    heading = "Model"

    hidden_size: int = setting(256, "H, units a layer.")
    embed_size: int = setting(256, "D, numbers a word is turned into; tied: the same as H.")
    tied: bool = setting(True, "The output layer is the table of the words' vectors.")
    embed_dropout: float = setting(0.1, "Share of the words that are zero in a window.")
    input_dropout: float = setting(0.2, "Dropout on the vectors of words, a mask a window.")
    dropout: float = setting(0.2, "Dropout on the output of each layer, a mask a window.")
    weight_drop: float = setting(0.2, "Dropout of recurrent weights, a mask a window.")

    def layers(self) -> Cell:
        """The layers of the config."""
        network = self.network(weight_drop=self.weight_drop)
        if not self.input_dropout:
            return network
        return stack([variational_dropout(self.input_dropout), network])

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        self.check_at_least(1, "window", "embed_size", "min_count")
        self.check_rate("embed_dropout", "input_dropout", "weight_drop")
        if self.tied and self.embed_size != self.hidden_size:
            raise UserError(
                f"tied weights need --config.embed_size={self.embed_size} and "
                f"--config.hidden_size={self.hidden_size} to be equal; --config.tied=False"
            )
