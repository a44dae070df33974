"""How a run stands between evaluations: which was the best, and how long ago."""

import math
from typing import NamedTuple

from rnnjax.errors import UserError, did_you_mean
from rnnjax.training.reporting.meter import NonFinite


class LoopOptions(NamedTuple):
    """How long to train, and what to do every so many steps.

    Attributes:
        num_steps: where to end.
        log_every: steps in a row of metrics.
        eval_every: steps between evaluations; 0: only at the end.
        checkpoint_every: steps between checkpoints; 0: only at the end and at a new best.
        patience: evaluations in a row without a new best before stopping early; 0: never.
        metric: the evaluation metric that decides what is best.
        higher_is_better: whether more of it is better.
        keep_last: checkpoints to keep besides the best.
        unit: what the loss counts, for the display: 'char' for nats per character.
        speed_unit: what the speed counts, for the display; empty: the same.
    """

    num_steps: int
    log_every: int = 50
    eval_every: int = 0
    checkpoint_every: int = 0
    patience: int = 0
    metric: str = "loss"
    higher_is_better: bool = False
    keep_last: int = 3
    unit: str = ""
    speed_unit: str = ""

    def validate(self) -> None:
        """Raises UserError for a number out of range."""
        least = {"num_steps": 1, "log_every": 1, "keep_last": 1}
        least |= {"eval_every": 0, "checkpoint_every": 0, "patience": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise UserError(f"{name} must be {low} or more, not {getattr(self, name)}.")


class Standing(NamedTuple):
    """What the loop remembers between evaluations, and across a resume.

    Attributes:
        best_score: the lowest score so far; a metric of which more is better counts negatively.
        best_step: when that was.
        stale: evaluations since.
        evaluation: the latest evaluation's metrics.
    """

    best_score: float | None = None
    best_step: int = 0
    stale: int = 0
    evaluation: dict[str, float] = {}  # noqa: RUF012

    def after(self, step: int, evaluation: dict[str, float], options: LoopOptions) -> "Standing":
        """The standing after one more evaluation.

        Raises:
            UserError: the evaluation lacks the metric that decides.
            NonFinite: that metric is not finite.
        """
        score = score_of(step, evaluation, options)
        if self.best_score is None or score < self.best_score:
            return Standing(score, step, 0, evaluation)
        return self._replace(stale=self.stale + 1, evaluation=evaluation)

    def reason_to_stop(self, step: int, options: LoopOptions) -> str:
        """'done', 'stopped early', or nothing."""
        if step >= options.num_steps:
            return "done"
        if 0 < options.patience <= self.stale:
            return "stopped early"
        return ""


def score_of(step: int, evaluation: dict[str, float], options: LoopOptions) -> float:
    """The number by which checkpoints are compared, lower is better."""
    if options.metric not in evaluation:
        hint = did_you_mean(options.metric, evaluation)
        raise UserError(f"The evaluation gives no metric '{options.metric}': {hint}")
    value = evaluation[options.metric]
    if not math.isfinite(value):
        raise NonFinite(step, f"the evaluation gave {options.metric} = {value}")
    return -value if options.higher_is_better else value
