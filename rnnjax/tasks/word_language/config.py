"""The settings of a language model of words."""

import dataclasses
from typing import Annotated, Any, Self

import jax

from rnnjax.cells.cell import Cell
from rnnjax.cells.combinators import stack
from rnnjax.cells.named import make_cell
from rnnjax.cells.pointwise import variational_dropout
from rnnjax.errors import UserError
from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import Limits, NetworkConfig, Positive, Rate, Weight


@dataclasses.dataclass(frozen=True, kw_only=True)
class WordData(TrainingConfig):
    """Which text, and how it is read."""

    heading = "Data"

    data: str = setting("embedded", "embedded, python_source, a path, or tfds:NAME.")
    encoding: str = setting("utf-8", "Encoding of the text files.")
    valid_fraction: float = setting(0.1, "Share of the text held out: whole files, or its end.")
    min_count: Positive = setting(2, "Words that are rarer in the training text are <unknown>.")
    vectors: str | None = setting(None, "A file of word vectors: GloVe, word2vec or fastText text.")
    window: Positive = setting(35, "Words between two updates.")
    vary_window: bool = setting(
        False, "Windows of random lengths around `window`; the learning rate follows the length."
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class WordConfig(WordData, NetworkConfig):
    """All that decides a run; the names of the dropouts are those of Merity et al. 2018."""

    heading = "Model"

    hidden_size: Positive = setting(256, "H, units a layer.")
    embed_size: Positive = setting(
        256, "D, numbers of a word's vector; tied: units of the last layer."
    )
    tied: bool = setting(True, "The output layer is the table of the words' vectors.")
    embed_dropout: Rate = setting(0.1, "Share of the words that are zero in a window.")
    input_dropout: Rate = setting(0.2, "Dropout on the vectors of words, a mask a window.")
    dropout: Rate = setting(0.2, "Dropout on the output of each layer, a mask a window.")
    output_dropout: Annotated[float | None, Limits(is_rate=True)] = setting(
        None, "Of the last layer; default: that of the others."
    )
    weight_drop: Rate = setting(
        0.2,
        "Dropout of recurrent weights, a mask a window; the default is left out for a cell that "
        "has no w_hh.",
    )
    ar: Weight = setting(0.0, "Weight of activation regularization.")
    tar: Weight = setting(0.0, "Weight of temporal activation regularization.")

    @property
    def last_dropout(self) -> float:
        """The dropout after the last layer that is not the network's: see `layers`."""
        last = self.dropout if self.output_dropout is None else self.output_dropout
        return last if self._last_is_apart else 0.0

    @property
    def drops_weights(self) -> bool:
        """Whether `weight_drop` acts: not where it is the default and the cell has no `w_hh`."""
        if self.weight_drop != type(self).weight_drop:
            return self.weight_drop > 0
        cell = make_cell(self.cell, self.hidden_size)
        params = jax.eval_shape(lambda: cell.init(jax.random.key(0), self.embed_size))
        return hasattr(params, "w_hh")

    def layers(self) -> Cell:
        """The layers of the config; the last one's dropout is apart where it is penalised."""
        options = {"weight_drop": self.weight_drop if self.drops_weights else 0.0}
        if not self._last_is_apart:
            layers = [self.network(**options)]
        else:
            last = dataclasses.replace(self, hidden_size=self._last_size)
            layers = [last.network(**options, num_layers=1, dropout=0.0)]
            if self.num_layers > 1:
                layers.insert(0, self.network(**options, num_layers=self.num_layers - 1))
        if self.input_dropout:
            layers.insert(0, variational_dropout(self.input_dropout))
        return stack(layers) if len(layers) > 1 else layers[0]

    @property
    def _last_size(self) -> int:
        return self.embed_size if self.tied else self.hidden_size

    @property
    def _last_is_apart(self) -> bool:
        own = self.output_dropout is not None or self._last_size != self.hidden_size
        return own or self.ar > 0 or self.tar > 0

    def with_settings(self, **given: Any) -> Self:
        """The config with these fields; a tied layer and its vectors stay equally wide."""
        sizes = {"hidden_size", "embed_size"}
        asked = sizes & given.keys()
        whole = dataclasses.replace(self, **given)
        if len(asked) == 1 and whole.tied and whole.num_layers == 1:
            given = dict.fromkeys(sizes, given[asked.pop()]) | given
        return super().with_settings(**given)

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        if self.tied and self.num_layers == 1 and self.embed_size != self.hidden_size:
            raise UserError(
                f"tied weights need --config.embed_size={self.embed_size} and "
                f"--config.hidden_size={self.hidden_size} to be equal with one layer; "
                "--config.tied=False"
            )
