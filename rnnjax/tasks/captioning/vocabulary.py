"""The symbols of captions: words, or parts of words."""

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np

from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.captioning.captioned_images import caption_words

CaptionLevel = Literal["word", "subword"]

END, START, UNKNOWN_WORD = 0, 1, 2
UNSPEAKABLE = (START, UNKNOWN_WORD)
"""What a caption that a model writes never holds."""
"""The ids of what stands after and before every caption, and for words that are not known."""

_RESERVED = ("<end>", "<start>", "<unknown>")


@dataclasses.dataclass(frozen=True)
class CaptionVocabulary:
    """An immutable, ordered set of symbols, made by `of`.

    Attributes:
        level: "word", or "subword": byte-pair encoding within words.
        symbols: in the order of their ids, the reserved ones first.
        merges: of level "subword": which pairs of symbols are joined, in the order of joining.

    References:
        Sennrich, Haddow & Birch 2016, "Neural machine translation of rare words with subword
        units".
    """

    level: CaptionLevel
    symbols: tuple[str, ...]
    merges: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        captions: Iterable[str],
        *,
        level: CaptionLevel = "word",
        min_count: int = 1,
        num_subwords: int = 2000,
    ) -> "CaptionVocabulary":
        """The vocabulary of a training split.

        Args:
            captions: as they were written.
            level: "word" or "subword".
            min_count: words that are rarer are unknown; of level "word".
            num_subwords: how many symbols there are at most; of level "subword".

        Raises:
            UserError: there is no such level, nothing to make symbols of, or `num_subwords` are
                too few for the letters.
        """
        if level not in get_args(CaptionLevel):
            hint = did_you_mean(level, get_args(CaptionLevel))
            raise UserError(f"unknown level of captions {level!r}: {hint}")
        counts = Counter(word for caption in captions for word in caption_words(caption))
        if level == "subword" and counts:
            return cls("subword", *_byte_pairs(counts, num_subwords))
        ordered = sorted(counts, key=lambda word: (-counts[word], word))
        kept = [word for word in ordered if counts[word] >= min_count]
        if not kept:
            raise UserError(f"no word stands {min_count} times in the captions: nothing to learn")
        return cls("word", (*_RESERVED, *kept))

    def __len__(self) -> int:
        return len(self.symbols)

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {symbol: n for n, symbol in enumerate(self.symbols)}

    @functools.cached_property
    def _splitter(self):
        return _tokenizer(self._ids, self.merges)

    def encode(self, caption: str) -> np.ndarray:
        """The ids of a caption's symbols, int32, END at the end of them; see `caption_words`."""
        words = caption_words(caption)
        if self.level == "word":
            ids = [self._ids.get(word, UNKNOWN_WORD) for word in words]
        else:
            ids = self._splitter.encode(" ".join(words)).ids
        return np.array([*ids, END], np.int32)

    def decode(self, ids: Sequence[int]) -> tuple[str, ...]:
        """The symbols of ids up to the first END, which is left out."""
        symbols = []
        for n in ids:
            if n == END:
                break
            symbols.append(self.symbols[n])
        return tuple(symbols)

    def text(self, symbols: Sequence[str]) -> str:
        """Symbols as a caption."""
        if self.level == "word":
            return " ".join(symbols)
        return "".join(symbols).replace(_WORD_END, " ").strip()

    def word_numbers(self, symbols: Sequence[str]) -> np.ndarray:
        """Of which word of a caption each symbol is a part, counted from 0, int [T]."""
        if self.level == "word":
            return np.arange(len(symbols))
        ends = np.array([symbol.endswith(_WORD_END) for symbol in symbols], int)
        return np.cumsum(ends) - ends

    def to_json(self) -> str:
        """As JSON text, to be saved beside a checkpoint."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "CaptionVocabulary":
        """The inverse of `to_json`.

        Raises:
            UserError: the text is not what `to_json` writes.
        """
        try:
            fields = json.loads(text)
            merges = tuple((first, second) for first, second in fields["merges"])
            vocabulary = cls(fields["level"], tuple(fields["symbols"]), merges)
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"this is no saved vocabulary of captions: {error}") from error
        if vocabulary.symbols[: len(_RESERVED)] != _RESERVED:
            raise UserError("this is no saved vocabulary of captions: no reserved symbols")
        return vocabulary


_WORD_END = "</w>"


def _tokenizer(ids: dict[str, int], merges: Sequence[tuple[str, str]]):
    """A splitter of words into the symbols that the merges make."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    model = models.BPE(
        vocab=ids,
        merges=list(merges),
        unk_token=_RESERVED[UNKNOWN_WORD],
        end_of_word_suffix=_WORD_END,
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def _byte_pairs(
    counts: Counter[str], num_symbols: int
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The symbols and merges that byte-pair encoding finds in counted words."""
    from tokenizers import trainers

    # The trainer numbers the ends of words in a random order, unless they are there beforehand.
    ends = sorted({word[-1] + _WORD_END for word in counts})
    letters = {letter for word in counts for letter in word}
    least = len(_RESERVED) + len(ends) + len(letters)
    if num_symbols < least:
        raise UserError(
            f"num_subwords is {least} or more for captions of {len(letters)} letters, of which "
            f"{len(ends)} end words; got {num_symbols}"
        )
    tokenizer = _tokenizer({symbol: n for n, symbol in enumerate(_RESERVED)}, ())
    trainer = trainers.BpeTrainer(
        vocab_size=num_symbols,
        special_tokens=[*_RESERVED, *ends],
        end_of_word_suffix=_WORD_END,
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        (word for word, count in counts.items() for _ in range(count)), trainer
    )
    made = json.loads(tokenizer.to_str())["model"]
    symbols = tuple(sorted(made["vocab"], key=made["vocab"].get))
    return symbols, tuple((first, second) for first, second in made["merges"])
