"""Digit scenes: pictures of handwritten digits with captions that are exactly checkable."""

from rnnjax.tasks.captioning.scenes.grammar import MAX_WORDS, VOCABULARY
from rnnjax.tasks.captioning.scenes.source import DigitScenes, Scene

__all__ = ["MAX_WORDS", "VOCABULARY", "DigitScenes", "Scene"]
