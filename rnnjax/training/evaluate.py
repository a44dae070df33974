"""Evaluation over a split; each batch begins with the carry of the one before."""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from rnnjax.training.devices.placement import LOCAL, Placement

PyTree = Any
MAX_IN_FLIGHT = 4


def evaluate(
    eval_step: Callable[[PyTree, PyTree, PyTree], tuple[PyTree, dict[str, Any]]],
    params: PyTree,
    carry: PyTree,
    batches: Iterable[PyTree],
    placement: Placement = LOCAL,
) -> dict[str, float]:
    """Runs `eval_step` over all batches and divides the sums by the counts, once, at the end.

    Each batch is summed on the device; the batches are added in float64.

    Args:
        eval_step: see `make_eval_step`.
        params: parameters.
        carry: at the beginning of the split.
        batches: numpy batches in order.
        placement: where the parameters live, and where carry and batches are put.

    Returns:
        Means by name, 'loss' among them, and 'count', the number of units that the loss counts.
        A mean over nothing is nan.
    """
    totals: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))
    in_flight: deque[dict[str, Any]] = deque()

    def fetch_oldest():
        for name, total_and_count in jax.device_get(in_flight.popleft()).items():
            totals[name] += np.array(total_and_count, np.float64)

    carry = placement.put_carry(carry)
    for batch in batches:
        carry, sums = eval_step(params, carry, placement.put_whole(batch))
        in_flight.append(sums)
        if len(in_flight) > MAX_IN_FLIGHT:
            fetch_oldest()
    while in_flight:
        fetch_oldest()
    means = {name: float(sum_ / n) if n else math.nan for name, (sum_, n) in totals.items()}
    return {**means, "count": float(totals["loss"][1])}
