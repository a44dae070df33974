"""The reward that an objective stands for."""

import functools
from collections.abc import Sequence

import numpy as np

from rnnjax.tasks.captioning import rewards
from rnnjax.tasks.captioning.config import Objective


def reward_of(
    objective: Objective, references: Sequence[Sequence[np.ndarray]]
) -> rewards.Reward | None:
    """What captions that are drawn are judged by; None where none are drawn.

    Args:
        objective: of the config.
        references: the ids of each training image's captions, END included.
    """
    if objective == "likelihood":
        return None
    if objective == "bleu":
        return rewards.sentence_bleu
    return functools.partial(rewards.cider_d, rewards.rarity(references))
