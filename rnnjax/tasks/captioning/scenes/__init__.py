"""Digit scenes: pictures of handwritten digits with captions whose every word is accounted for."""

from rnnjax.tasks.captioning.scenes.boxes import Box
from rnnjax.tasks.captioning.scenes.grammar import MAX_WORDS, VOCABULARY, Group
from rnnjax.tasks.captioning.scenes.source import DigitScenes, Scene, held_out

__all__ = ["MAX_WORDS", "VOCABULARY", "Box", "DigitScenes", "Group", "Scene", "held_out"]
