"""The words, characters and tags of tagged sentences, and their ids."""

import dataclasses
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rnnjax.data.vocabulary import SavedVocabulary
from rnnjax.data.word_vocabulary import by_frequency
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.tagging.schemes import OUTSIDE, PREFIXES, Scheme, spans_of, tags_of
from rnnjax.tasks.tagging.sentences import Sentence, types_of

PADDING_ID = 0
UNKNOWN_ID = 1
FIRST_ID = 2
"""Id of the first word, and of the first character, of a vocabulary."""

MAX_WORD_LENGTH = 32
"""Characters of a word that a model sees at most; see `TaggingVocabulary.word_length`."""

CACHED_TOKENS = 1 << 16
"""Distinct tokens whose numbers are kept."""

CASES = (
    "padding",
    "digits",
    "mostly digits",
    "some digits",
    "lower",
    "upper",
    "initial upper",
    "mixed",
    "other",
)
"""Names of the case features by id. A token has the first that fits, from "digits" on: all of its
characters are digits, more than half, at least one; its letters are all lower case, all upper case
("A" too); only its first character is upper case; some other is; it has no letters of either case.
"""


class EncodedSentence(NamedTuple):
    """A sentence of T tokens in numbers, all int32.

    Attributes:
        words: [T].
        characters: [T, C], from the left, PADDING_ID behind the end of a word.
        case: [T], see `CASES`.
        tags: [T]; 0, the tag O, throughout where the sentence has no tags.
    """

    words: np.ndarray
    characters: np.ndarray
    case: np.ndarray
    tags: np.ndarray


@dataclasses.dataclass(frozen=True)
class TaggingVocabulary(SavedVocabulary):
    """The vocabulary of a tagger, made by `of`.

    Attributes:
        words: normalised, the most frequent first; ids from FIRST_ID on.
        counts: how often each occurs in the training split; 0 for an extra word.
        characters: by code point, as tokens are written; ids from FIRST_ID on.
        types: of the entities, sorted.
        scheme: of the tags.
        word_length: C, characters that stand for a word. A longer word is seen without its middle:
            its first ceil(C / 2) and its last floor(C / 2) characters.
        lowercase, digits_to_zero: see `normalise`.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    characters: str
    types: tuple[str, ...]
    scheme: Scheme
    word_length: int
    lowercase: bool = True
    digits_to_zero: bool = True

    texts_are: ClassVar[str] = "tagged sentences"

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out what is cached: it cannot be sent to the processes that make batches."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def of(
        cls, sentences: Iterable[Sentence], *, scheme: Scheme, extra_words: Iterable[str] = ()
    ) -> "TaggingVocabulary":
        """The vocabulary of training sentences.

        Args:
            sentences: the training split, tags in any scheme.
            scheme: of the model's tags, which are every prefix of it with every type.
            extra_words: more words that are known: those of the validation and test splits for
                which there are pretrained vectors.

        """
        tokens: Counter[str] = Counter()
        tags: set[str] = set()
        for sentence in sentences:
            tokens.update(sentence.tokens)
            tags.update(sentence.tags)
        counts: Counter[str] = Counter()
        for token, count in tokens.items():
            counts[normalise(token)] += count
        words = by_frequency(counts, {*counts, *map(normalise, extra_words)})
        return cls(
            words=tuple(words),
            counts=tuple(counts[word] for word in words),
            characters="".join(sorted(set().union(*tokens))),
            types=types_of(tags),
            scheme=scheme,
            word_length=min(max(map(len, tokens)), MAX_WORD_LENGTH),
        )

    @property
    def num_words(self) -> int:
        """Number of word ids, with padding and unknown."""
        return FIRST_ID + len(self.words)

    @property
    def num_characters(self) -> int:
        """Number of character ids, with padding and unknown."""
        return FIRST_ID + len(self.characters)

    @functools.cached_property
    def tags(self) -> tuple[str, ...]:
        """The tags by id, O first."""
        return OUTSIDE, *(f"{p}-{kind}" for kind in self.types for p in PREFIXES[self.scheme][1:])

    @property
    def first_singleton(self) -> int:
        """The id from which on words occur once in the training split, or never.

        Training replaces them by UNKNOWN_ID half of the time, so that the model learns what to do
        with unknown words (Lample et al. 2016).
        """
        return FIRST_ID + sum(count > 1 for count in self.counts)

    def word_id(self, token: str) -> int:
        """The id of the word that a token counts as, UNKNOWN_ID where it is not known."""
        word = normalise(token, lowercase=self.lowercase, digits_to_zero=self.digits_to_zero)
        return self._id_of_word.get(word, UNKNOWN_ID)

    def encode(self, sentence: Sentence) -> EncodedSentence:
        """A sentence to numbers, its tags to those of the vocabulary's scheme.

        Raises:
            UserError: an entity is of a type that the training split does not have.
        """
        rows = np.concatenate([self._row(token) for token in sentence.tokens])
        rows = rows.reshape(len(sentence.tokens), -1)
        return EncodedSentence(rows[:, 0], rows[:, 2:], rows[:, 1], self._tags_of(sentence))

    @functools.cached_property
    def _id_of_word(self) -> dict[str, int]:
        return {word: n for n, word in enumerate(self.words, FIRST_ID)}

    @functools.cached_property
    def _id_of_character(self) -> dict[str, int]:
        return {character: n for n, character in enumerate(self.characters, FIRST_ID)}

    @functools.cached_property
    def _row(self) -> Callable[[str], np.ndarray]:
        """From a token to int32 [2 + C]: word, case, characters."""
        return functools.lru_cache(CACHED_TOKENS)(self._row_of)

    def _row_of(self, token: str) -> np.ndarray:
        row = np.full(2 + self.word_length, PADDING_ID, np.int32)
        row[:2] = self.word_id(token), case_of(token)
        if len(token) > self.word_length:
            last = self.word_length // 2
            token = token[: self.word_length - last] + token[len(token) - last :]
        row[2 : 2 + len(token)] = [self._id_of_character.get(c, UNKNOWN_ID) for c in token]
        return row

    def _tags_of(self, sentence: Sentence) -> np.ndarray:
        length = len(sentence.tokens)
        if not sentence.tags:
            return np.zeros(length, np.int32)
        spans = spans_of(sentence.tags)
        for start, _, kind in spans:
            if kind not in self.types:
                raise UserError(
                    f"{sentence.source}: token {start + 1} of the sentence, "
                    f"{sentence.tokens[start]!r}, has the tag {sentence.tags[start]}, and the "
                    f"training split has no entity of that type: {did_you_mean(kind, self.types)}"
                )
        return np.array([self.tags.index(t) for t in tags_of(spans, length, self.scheme)], np.int32)


def normalise(token: str, *, lowercase: bool = True, digits_to_zero: bool = True) -> str:
    """The word that a token counts as, so that several spellings have one id.

    Args:
        token: as it is in the text.
        lowercase: whether "The" is the word "the".
        digits_to_zero: whether "1997" is the word "0000".

    References:
        Lample et al. 2016, "Neural architectures for named entity recognition", and its code.
    """
    token = token.lower() if lowercase else token
    return re.sub(r"\d", "0", token) if digits_to_zero else token


def case_of(token: str) -> int:
    """The id in CASES of how a token is written.

    References:
        Collobert et al. 2011, "Natural language processing (almost) from scratch",
        whose features are "lower", "upper", "initial upper" and "mixed"; those of digits are added.
    """
    num_digits = sum(c.isdigit() for c in token)
    if num_digits:
        everywhere, mostly = num_digits == len(token), 2 * num_digits > len(token)
        name = "digits" if everywhere else "mostly digits" if mostly else "some digits"
    elif token.islower():
        name = "lower"
    elif token.isupper():
        name = "upper"
    elif token[:1].isupper() and not any(c.isupper() for c in token[1:]):
        name = "initial upper"
    else:
        name = "mixed" if any(c.isupper() for c in token) else "other"
    return CASES.index(name)
