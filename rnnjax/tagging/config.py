"""The settings of a tagger."""

import dataclasses

from rnnjax.cells.named import CELLS, DTYPES
from rnnjax.errors import UserError
from rnnjax.training import Settings, setting

CHARACTERS = ("cnn", "lstm", "none")
"""Encoders of words by their characters: Ma & Hovy's, Lample's, none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaggerConfig(Settings):
    """What a tagger consists of; see `make_tagger`."""

    embed_size: int = setting(100, "D, numbers that a word is turned into.")
    word_dropout: float = setting(0.5, "Words seen once are taken for unknown at this rate.")
    characters: str = setting("cnn", f"Encoder of words: {', '.join(CHARACTERS)}.")
    character_embed_size: int = setting(30, "Numbers that a character is turned into.")
    character_size: int = setting(30, "Size of a word's encoding by its characters.")
    case_size: int = setting(8, "Numbers that say how a word is capitalised; 0: none.")
    input_dropout: float = setting(0.5, "On words and characters, a mask a sentence.")
    dropout: float = setting(0.5, "On the output of each layer, a mask a sentence.")
    cell: str = setting("lstm", f"One of {', '.join(CELLS)}.")
    hidden_size: int = setting(100, "H, units of a layer in each direction.")
    num_layers: int = setting(1, "Recurrent layers.")
    both_directions: bool = setting(True, "Read from left to right and from right to left.")
    crf: bool = setting(True, "Tag sentences as a whole; otherwise each word by itself.")
    compute_dtype: str = setting("float32", f"Of matmul operands, one of {', '.join(DTYPES)}.")

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        self.check_choice("cell", CELLS)
        self.check_choice("characters", CHARACTERS)
        self.check_choice("compute_dtype", DTYPES)
        self.check_at_least(1, "embed_size", "hidden_size", "num_layers")
        self.check_at_least(1, "character_embed_size", "character_size")
        self.check_at_least(0, "case_size")
        self.check_rate("dropout", "input_dropout", "word_dropout")
        if self.characters == "lstm" and self.character_size % 2:
            raise UserError(
                "--config.character_size is even with --config.characters=lstm, half for each "
                f"direction; got {self.character_size}"
            )
