"""The settings of a translator, of its data and of its training."""

import dataclasses
from typing import get_args

from rnnjax.data.text_pairs import Columns
from rnnjax.data.word_vocabulary import WordLevel
from rnnjax.errors import UserError
from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import NetworkConfig

CONTEXTS = ("initial", "every_step", "soft")
"""How the decoder reads the source; see `rnnjax.models.Decoder`."""

SCORERS = ("additive", "dot", "general")
"""Of the attention; see `rnnjax.heads.attention`."""

EMBEDDED = ("embedded", "dates")
"""Sources that are generated; their translations are right or wrong."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TranslatorConfig(NetworkConfig):
    """What a translator consists of; see `make_translator`."""

    context: str = setting("soft", f"How the source is read: {', '.join(CONTEXTS)}.")
    scorer: str = setting("additive", f"Of the attention: {', '.join(SCORERS)}.")
    reverse_source: bool = setting(False, "Read the source from its end to its beginning.")
    input_feeding: bool = setting(
        False, "Context soft: the decoder reads its attentional vector of the step before."
    )
    bidirectional: bool = setting(True, "Read the source in both directions.")
    hidden_size: int = setting(128, "H, units of a layer of decoder and encoder, each direction.")
    embed_size: int = setting(64, "D, numbers that a symbol is turned into.")
    attention_size: int = setting(64, "A, the hidden layer of scorer additive.")
    dropout: float = setting(
        0.0, "On symbols' vectors, the encoder's outputs and before the scores of symbols."
    )

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        self.check_choice("context", CONTEXTS)
        self.check_choice("scorer", SCORERS)
        self.check_at_least(1, "embed_size", "attention_size")
        if self.input_feeding and self.context != "soft":
            raise UserError(
                f"--config.input_feeding needs --config.context=soft; got {self.context}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TranslationConfig(TrainingConfig, TranslatorConfig):
    """All that decides a run."""

    heading = "Data"

    data: str = setting(
        "embedded",
        "embedded (numbers), dates, a folder of parallel files or tables, a table (.tsv, .csv, "
        ".jsonl), train=PATH,validation=PATH,test=PATH, or tfds:NAME.",
    )
    source: str = setting("", "Ending of the files, or name of the column, of the source.")
    target: str = setting("", "Ending of the files, or name of the column, of the target.")
    encoding: str = setting("utf-8", "Encoding of the files.")
    level: str = setting("subword", f"Symbols, one of {', '.join(get_args(WordLevel))}.")
    min_count: int = setting(2, "Level word: words that are rarer are unknown.")
    num_subwords: int = setting(300, "Level subword: symbols of each language, at most.")
    max_length: int = setting(60, "Training leaves out pairs with more symbols on a side.")
    num_buckets: int = setting(5, "Lengths that each side is padded to.")
    scheduled_sampling: float = setting(
        0.0,
        "Share of the symbols that the decoder reads and has drawn itself: at the end of "
        "training; it grows from 0.",
    )
    label_smoothing: float = setting(0.0, "Share of each target that goes to all symbols alike.")
    pool: int = setting(
        1, "Batches whose pairs are sorted by the length of the side that varies less; 1: none."
    )

    @property
    def columns(self) -> Columns:
        """Names of the source and the target, and the encoding of files."""
        return Columns(self.source, self.target, self.encoding)

    @property
    def metric(self) -> str:
        """The score that decides: `exact` for generated data, otherwise `bleu`."""
        return "exact" if self.data in EMBEDDED else "bleu"

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        self.check_choice("level", get_args(WordLevel))
        self.check_at_least(1, "min_count", "max_length", "num_buckets", "pool")
        self.check_rate("label_smoothing", "scheduled_sampling")
        self.columns.check()
