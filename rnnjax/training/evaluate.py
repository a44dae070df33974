"""Evaluation over a whole split, with the carry handed on from batch to batch."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import jax

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

    Each batch is summed on the device, the batches are added up in float64.

    Args:
        eval_step: see `make_eval_step`.
        params: parameters.
        carry: at the beginning of the split.
        batches: numpy batches in order.
        placement: where the parameters live, and carry and batches are brought.

    Returns:
        Means by name, 'loss' among them, and 'count', the number of units that the loss counts.
        A mean over nothing is nan.
    """
    totals: dict[str, list[float]] = {}
    in_flight: deque[dict[str, Any]] = deque()

    def fetch_oldest():
        for name, (total, count) in jax.device_get(in_flight.popleft()).items():
            so_far = totals.setdefault(name, [0.0, 0.0])
            so_far[0] += float(total)
            so_far[1] += float(count)

    carry = placement.put_carry(carry)
    for batch in batches:
        carry, sums = eval_step(params, carry, placement.put_whole(batch))
        in_flight.append(sums)
        if len(in_flight) > MAX_IN_FLIGHT:
            fetch_oldest()
    while in_flight:
        fetch_oldest()
    means = {
        name: total / count if count else float("nan") for name, (total, count) in totals.items()
    }
    return {**means, "count": totals.get("loss", [0.0, 0.0])[1]}
