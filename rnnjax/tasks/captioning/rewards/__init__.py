"""Rewards of sequences that a model drew, computed on the device where it draws them."""

from collections.abc import Callable

from rnnjax.tasks.captioning.rewards.bleu import sentence_bleu
from rnnjax.tasks.captioning.rewards.cider import Rarity, cider_d, rarity
from rnnjax.typing import Array

Reward = Callable[[Array, Array, Array, Array], Array]
"""``(words [T], length, references [U, R], their lengths [R]) -> reward`` of one sequence; a
reference of length 0 is none."""

__all__ = ["Rarity", "Reward", "cider_d", "rarity", "sentence_bleu"]
