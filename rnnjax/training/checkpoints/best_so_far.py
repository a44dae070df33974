"""The best evaluation of a run so far, and when to stop."""

import math
from collections.abc import Callable
from typing import NamedTuple

from rnnjax.errors import UserError, did_you_mean
from rnnjax.training.reporting.meter import NonFinite

Score = Callable[[int, dict[str, float]], float]
"""``(step, evaluation) -> score``, by which evaluations are compared: lower is better."""


class BestSoFar(NamedTuple):
    """The best evaluation of a run so far, and the latest; every checkpoint holds it.

    Attributes:
        best_score: the lowest score so far (see `make_score`).
        best_step: when that was.
        stale: evaluations since.
        evaluation: the latest evaluation's metrics.
    """

    best_score: float | None = None
    best_step: int = 0
    stale: int = 0
    evaluation: dict[str, float] = {}  # noqa: RUF012

    def after(self, step: int, score: float, evaluation: dict[str, float]) -> "BestSoFar":
        """The same after one more evaluation."""
        if self.best_score is None or score < self.best_score:
            return BestSoFar(score, step, 0, evaluation)
        return self._replace(stale=self.stale + 1, evaluation=evaluation)

    def reason_to_stop(self, step: int, num_steps: int, patience: int) -> str:
        """'done', 'stopped early', or '' to go on."""
        if step >= num_steps:
            return "done"
        return "stopped early" if 0 < patience <= self.stale else ""


def make_score(metric: str, higher_is_better: bool) -> Score:
    """Makes the function by which evaluations are compared; one that is maximised is negated.

    The function raises UserError if the evaluation lacks the metric, and NonFinite if it is not
    finite.
    """

    def score(step: int, evaluation: dict[str, float]) -> float:
        if metric not in evaluation:
            hint = did_you_mean(metric, evaluation)
            raise UserError(f"The evaluation gives no metric '{metric}': {hint}")
        value = evaluation[metric]
        if not math.isfinite(value):
            raise NonFinite(step, f"the evaluation gave {metric} = {value}")
        return -value if higher_is_better else value

    return score
