"""Vocabularies of words, or of parts of words."""

import dataclasses
import functools
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Self, get_args

import numpy as np

from rnnjax.data.tokens import tokenize
from rnnjax.data.vocabulary import SavedVocabulary
from rnnjax.errors import UserError, check_known

WordLevel = Literal["word", "subword"]

END, START, UNKNOWN_WORD = 0, 1, 2
"""The ids of the symbols after and before every text, and of words that are not known."""

RESERVED = ("<end>", "<start>", "<unknown>")
"""The symbols with these ids."""

FIRST_WORD = len(RESERVED)
"""The id of the first word."""

WORD_END = "</w>"
"""Ends the last part of a word."""


def by_frequency(counts: Mapping[str, int], words: Iterable[str]) -> list[str]:
    """Words, the most frequent first, those of one frequency by code point."""
    return sorted(words, key=lambda word: (-counts[word], word))


@dataclasses.dataclass(frozen=True)
class WordVocabulary(SavedVocabulary):
    """An immutable, ordered set of symbols, made by `of`.

    Attributes:
        level: "word", or "subword": byte-pair encoding within words.
        symbols: in the order of their ids, RESERVED first.
        merges: of level "subword": which pairs of symbols are joined, in the order of joining.

    References:
        Sennrich, Haddow & Birch 2016, "Neural machine translation of rare words with subword
        units".
    """

    level: WordLevel
    symbols: tuple[str, ...]
    merges: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.symbols[: len(RESERVED)] != RESERVED:
            raise UserError(f"this is no saved vocabulary of {self.texts_are}: no reserved symbols")

    @property
    def words(self) -> tuple[str, ...]:
        """The symbols that are not reserved."""
        return self.symbols[FIRST_WORD:]

    @classmethod
    def words_of(cls, text: str) -> Sequence[str]:
        """The words of a text, none with white space in it; a subclass may split otherwise."""
        return [token.text for token in tokenize(text)]

    @classmethod
    def of(
        cls,
        texts: Iterable[str],
        *,
        level: WordLevel = "word",
        min_count: int = 1,
        num_subwords: int = 2000,
    ) -> Self:
        """The vocabulary of a training split.

        Args:
            min_count: words that are rarer are unknown; of level "word".
            num_subwords: how many symbols there are at most; of level "subword".

        Raises:
            UserError: there is no such level, there are no words, or `num_subwords` are too few for
                the letters.
        """
        check_known(f"level of {cls.texts_are}", level, get_args(WordLevel))
        counts = Counter(word for text in texts for word in cls.words_of(text))
        if level == "subword" and counts:
            return cls("subword", *_byte_pairs(counts, num_subwords, cls.texts_are))
        return cls.of_counts(counts, min_count=min_count)

    @classmethod
    def of_counts(cls, counts: Mapping[str, int], *, min_count: int = 1) -> Self:
        """The vocabulary of level "word" of counted words; see `of`."""
        kept = by_frequency(counts, (word for word in counts if counts[word] >= min_count))
        if not kept:
            raise UserError(
                f"no word stands {min_count} times in the {cls.texts_are}: nothing to learn"
            )
        return cls("word", (*RESERVED, *kept))

    def __len__(self) -> int:
        return len(self.symbols)

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {symbol: n for n, symbol in enumerate(self.symbols)}

    @functools.cached_property
    def _splitter(self):
        return _tokenizer(self._ids, self.merges)

    def ids_of(self, words: Iterable[str]) -> list[int]:
        """The ids of words, level "word"; `RESERVED` may be among them."""
        return [self._ids.get(word, UNKNOWN_WORD) for word in words]

    def encode(self, text: str) -> np.ndarray:
        """The ids of a text's symbols, int32, END at the end of them; see `words_of`."""
        words = self.words_of(text)
        if self.level == "word":
            ids = self.ids_of(words)
        else:
            ids = self._splitter.encode(" ".join(words)).ids
        return np.array([*ids, END], np.int32)

    def unknown_share(self, texts: Iterable[str]) -> float:
        """The share of the symbols of some texts, without their ends, that are unknown."""
        ids = np.concatenate([self.encode(text) for text in texts])
        ids = ids[ids != END]
        return float(np.mean(ids == UNKNOWN_WORD)) if ids.size else 0.0

    def decode(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The symbols of ids up to the first END, which is left out."""
        return tuple(self.symbols[n] for n in itertools.takewhile(lambda n: n != END, ids))

    def text(self, symbols: Sequence[str]) -> str:
        """The words that symbols make, with spaces between."""
        if self.level == "word":
            return " ".join(symbols)
        return "".join(symbols).replace(WORD_END, " ").strip()

    def word_numbers(self, symbols: Sequence[str]) -> np.ndarray:
        """Of which word of a text each symbol is a part, counted from 0, int [T]."""
        if self.level == "word":
            return np.arange(len(symbols))
        ends = np.array([symbol.endswith(WORD_END) for symbol in symbols], int)
        return np.cumsum(ends) - ends


def _tokenizer(ids: dict[str, int], merges: Sequence[tuple[str, str]]):
    """A splitter of words into the symbols that the merges make."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    unknown = RESERVED[UNKNOWN_WORD]
    tokenizer = Tokenizer(
        models.BPE(ids, list(merges), unk_token=unknown, end_of_word_suffix=WORD_END)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def _byte_pairs(
    counts: Counter[str], num_symbols: int, texts_are: str
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The symbols and merges that byte-pair encoding finds in counted words."""
    from tokenizers import trainers

    # The trainer numbers the ends of words in a random order, unless they are there beforehand.
    ends = sorted({word[-1] + WORD_END for word in counts})
    letters = {letter for word in counts for letter in word}
    least = len(RESERVED) + len(ends) + len(letters)
    if num_symbols < least:
        raise UserError(
            f"num_subwords is {least} or more for {texts_are} of {len(letters)} letters, of which "
            f"{len(ends)} end words; got {num_symbols}"
        )
    tokenizer = _tokenizer({symbol: n for n, symbol in enumerate(RESERVED)}, ())
    trainer = trainers.BpeTrainer(
        vocab_size=num_symbols,
        special_tokens=[*RESERVED, *ends],
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    tokenizer.train_from_iterator(counts.elements(), trainer)
    made = json.loads(tokenizer.to_str())["model"]
    symbols = tuple(sorted(made["vocab"], key=made["vocab"].get))
    return symbols, tuple((first, second) for first, second in made["merges"])
