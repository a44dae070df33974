"""The symbols of captions: words, or parts of words."""

from collections.abc import Sequence
from typing import ClassVar

from rnnjax.data.word_vocabulary import END, START, UNKNOWN_WORD, WordVocabulary
from rnnjax.tasks.captioning.captioned_images import caption_words

__all__ = ["END", "START", "UNKNOWN_WORD", "UNSPEAKABLE", "CaptionVocabulary"]

UNSPEAKABLE = (START, UNKNOWN_WORD)
"""The ids that a caption which a model writes never holds."""


class CaptionVocabulary(WordVocabulary):
    """A vocabulary of captions, whose words are those of `caption_words`."""

    texts_are: ClassVar[str] = "captions"

    @classmethod
    def words_of(cls, text: str) -> Sequence[str]:
        """The words of a caption."""
        return caption_words(text)
