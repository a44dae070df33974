"""Searches for the largest batch of a training step that fits on a slice."""

import dataclasses
from collections.abc import Callable
from typing import Any

from experiments.experiment import Experiment
from launch.tpu_dryrun.chips import GIB, Slice
from launch.tpu_dryrun.compilation import DoesNotFit, compile_step

LARGEST = 1 << 20
FINENESS = 8


def largest_batch(
    experiment: Experiment, config: Any, target: Slice, mesh: str | None
) -> int | None:
    """Doubles the batch until it does not fit, then halves the distance; prints each attempt.

    Args:
        experiment: what is trained.
        config: its batch size is tried first, then one row a chip if that does not fit.
        target: the slice.
        mesh: see `compile_step`.

    Returns:
        The batch size: a multiple of the number of chips, at most an eighth below the least that
        does not fit (or one row a chip below it). None: not even one row a chip fits.
    """

    def fits(rows: int) -> bool:
        batch_size = rows * target.num_chips
        chosen = dataclasses.replace(config, batch_size=batch_size)
        try:
            taken = compile_step(experiment, chosen, target, mesh).memory.total / GIB
            note = ""
        except DoesNotFit as fault:
            taken, note = fault.needed / GIB, ", too much"
        print(f"  batch_size {batch_size:>8}: {taken:8.3f} GiB a chip{note}")
        return not note

    rows = search(fits, max(config.batch_size // target.num_chips, 1), LARGEST // target.num_chips)
    return None if rows is None else rows * target.num_chips


def search(fits: Callable[[int], bool], start: int, limit: int) -> int | None:
    """The largest number that fits, to an eighth; None if 1 does not.

    Args:
        fits: whether a number does; if it does, all smaller ones do.
        start: the first that is tried.
        limit: the largest that is tried, at least `start`.
    """
    if fits(start):
        good = start
        while (bad := min(2 * good, limit + 1)) <= limit and fits(bad):
            good = bad
    elif start == 1 or not fits(1):
        return None
    else:
        good, bad = 1, start
    while bad - good > max(1, good // FINENESS):
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good
