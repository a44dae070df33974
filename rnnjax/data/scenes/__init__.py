"""Digit scenes: pictures of handwritten digits with captions whose every word is accounted for."""

from rnnjax.data.scenes.boxes import Box
from rnnjax.data.scenes.grammar import MAX_WORDS, VOCABULARY, Group
from rnnjax.data.scenes.source import DigitScenes, Scene, held_out

__all__ = ["MAX_WORDS", "VOCABULARY", "Box", "DigitScenes", "Group", "Scene", "held_out"]
