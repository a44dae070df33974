"""The settings of a tagger, of its data and of its training."""

import dataclasses
from typing import Literal, get_args

from rnnjax.errors import UserError
from rnnjax.tasks.tagging.schemes import Scheme
from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import Count, NetworkConfig, Positive, Rate, Share

Characters = Literal["cnn", "lstm", "none"]
"""Encoders of words by their characters: Ma & Hovy's, Lample's, none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaggerConfig(NetworkConfig):
    """The settings of the model; see `make_tagger`."""

    embed_size: Positive = setting(100, "D, numbers that a word is turned into.")
    word_dropout: Rate = setting(0.5, "Words seen once are taken for unknown at this rate.")
    characters: Characters = setting("cnn", f"Encoder of words: {', '.join(get_args(Characters))}.")
    character_embed_size: Positive = setting(30, "Numbers that a character is turned into.")
    character_size: Positive = setting(30, "Size of a word's encoding by its characters.")
    case_size: Count = setting(8, "Numbers that say how a word is capitalised; 0: none.")
    input_dropout: Rate = setting(0.5, "Dropout on words and characters, a mask a sentence.")
    dropout: Rate = setting(0.5, "Dropout on the output of each layer, a mask a sentence.")
    hidden_size: Positive = setting(100, "H, units of a layer in each direction.")
    both_directions: bool = setting(True, "Read from left to right and from right to left.")
    crf: bool = setting(True, "Tag sentences as a whole; otherwise each word by itself.")

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        if self.characters == "lstm" and self.character_size % 2:
            raise UserError(
                "--config.character_size is even with --config.characters=lstm, half for each "
                f"direction; got {self.character_size}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaggingConfig(TrainingConfig, TaggerConfig):
    """All that decides a run."""

    heading = "Data"

    data: str = setting("embedded", "embedded, a folder of column files, or tfds:NAME.")
    token_column: int = setting(0, "The column of the tokens, from 0.")
    tag_column: int = setting(-1, "The column of the tags; -1: the last.")
    encoding: str = setting("utf-8", "Encoding of the files of the corpus and of word vectors.")
    strict: bool = setting(False, "Refuse tags out of place instead of repairing them.")
    scheme: Scheme = setting("BIOES", f"Scheme of the model's tags: {', '.join(get_args(Scheme))}.")
    swap_rate: Share = setting(0.0, "Augmentation: entities replaced by others of their type.")
    vectors: str | None = setting(None, "A file of word vectors: GloVe, word2vec or fastText text.")
    num_buckets: Positive = setting(5, "Lengths that sentences are padded to.")
