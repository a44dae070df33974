"""Vocabularies of characters or bytes, and how vocabularies are stored."""

import dataclasses
import functools
import json
from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Self, cast, get_args

import numpy as np

from rnnjax.errors import UserError, check_known

Level = Literal["char", "byte"]
LEVELS = get_args(Level)

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""How the unknown symbol (id 0 of a character vocabulary) is shown."""

NUM_CODE_POINTS = 0x110000


def code_points(text: str) -> np.ndarray:
    """The Unicode code points of `text`, uint32 [len(text)]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


class SavedVocabulary:
    """A dataclass of text, numbers and tuples of these that can be saved as JSON."""

    texts_are: ClassVar[str] = "texts"
    """The name of the texts in messages."""

    def to_json(self) -> str:
        """As JSON text, to be saved beside a checkpoint."""
        return json.dumps(dataclasses.asdict(cast(Any, self)))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`.

        Raises:
            UserError: the text is no JSON, or has other fields than the class.
        """
        wrong = f"this is no saved vocabulary of {cls.texts_are}"
        try:
            saved = json.loads(text)
        except ValueError as error:
            raise UserError(f"{wrong}: {error}") from error
        fields = [field.name for field in dataclasses.fields(cast(Any, cls))]
        if not isinstance(saved, dict) or saved.keys() != {*fields}:
            got = ", ".join(saved) if isinstance(saved, dict) else type(saved).__name__
            raise UserError(f"{wrong}: expected {', '.join(fields)}; got {got or 'nothing'}")
        return cls(**{name: _with_tuples(value) for name, value in saved.items()})


def _with_tuples(value: Any) -> Any:
    """A value of JSON, with tuples in place of lists."""
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


@dataclasses.dataclass(frozen=True)
class Vocabulary(SavedVocabulary):
    """An immutable, ordered set of symbols, made by `of_text` or `of_bytes`.

    Attributes:
        level: "char": one id a character, id 0 is the unknown character. "byte": one id a byte of
            UTF-8, 256 of them, none unknown.
        symbols: the characters in the order of their ids, the first of them UNKNOWN; empty at
            level "byte".
    """

    level: Level
    symbols: str = ""

    def __post_init__(self) -> None:
        check_known("level", self.level, LEVELS)
        if self.level == "char" and self.symbols[:1] != UNKNOWN:
            raise UserError(f"the first symbol must be {UNKNOWN!r}, got {self.symbols[:1]!r}")

    @classmethod
    def of_bytes(cls) -> "Vocabulary":
        """The 256 bytes."""
        return cls("byte")

    @classmethod
    def of_text(cls, text: Iterable[str]) -> "Vocabulary":
        """The unknown symbol, then the distinct characters of `text` by code point."""
        return cls("char", UNKNOWN + "".join(sorted(set(text) - {UNKNOWN})))

    def __len__(self) -> int:
        return 256 if self.level == "byte" else len(self.symbols)

    @property
    def dtype(self) -> np.dtype:
        """The smallest unsigned integer that holds every id."""
        return np.min_scalar_type(len(self) - 1)

    @functools.cached_property
    def id_of_code_point(self) -> np.ndarray:
        """Table from every code point to its id, 0 where unknown (level "char" only)."""
        table = np.zeros(NUM_CODE_POINTS, self.dtype)
        table[code_points(self.symbols)] = np.arange(len(self))
        return table

    def encode(self, text: str) -> np.ndarray:
        """Text to ids.

        Args:
            text: any text. At level "byte" it is taken as UTF-8.

        Returns:
            int32 [number of characters or bytes]; characters outside the vocabulary become 0.
        """
        if self.level == "byte":
            ids = np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
        else:
            ids = self.id_of_code_point[code_points(text)]
        return ids.astype(np.int32)

    def decode(self, ids: Any) -> str:
        """Ids to text, the inverse of `encode`.

        Args:
            ids: integers [N], each in [0, len(self)).

        Returns:
            The text. UNKNOWN stands for id 0 of a character vocabulary, and for bytes that are not
            UTF-8.

        Raises:
            UserError: an id lies outside the vocabulary.
        """
        ids = np.asarray(ids, np.int64)
        outside = ids[(ids < 0) | (ids >= len(self))]
        if outside.size:
            raise UserError(f"id {outside[0]} is outside this vocabulary of {len(self)} symbols")
        if self.level == "byte":
            return ids.astype(np.uint8).tobytes().decode("utf-8", "replace")
        return code_points(self.symbols)[ids].tobytes().decode("utf-32-le", "surrogatepass")

    def unknown_in(self, text: str) -> str:
        """The distinct characters of `text` outside the vocabulary, in order of appearance."""
        if self.level == "byte":
            return ""
        known = set(self.symbols) - {UNKNOWN}
        return "".join(dict.fromkeys(c for c in text if c not in known))
