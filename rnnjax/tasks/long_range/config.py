"""The settings of the task."""

import dataclasses
from typing import Annotated

from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.tasks.long_range.problems import PROBLEMS, Problem
from rnnjax.training import setting
from rnnjax.training.config import Limits, NetworkConfig, Positive


@dataclasses.dataclass(frozen=True, kw_only=True)
class LongRangeConfig(training.TrainingConfig, NetworkConfig):
    """All that decides a run."""

    heading = "Data"

    problem: str = setting("adding", f"One of {', '.join(PROBLEMS)}.")
    length: Annotated[int, Limits(most=100_000)] = setting(
        100,
        "T: numbers to read (adding), steps to wait (copy), or the most words between subject and "
        "verb in training (agreement).",
    )
    cell: str = setting("gru", NetworkConfig.__dataclass_fields__["cell"].metadata["help"])
    hidden_size: Positive = setting(64, "H, units a layer.")
    embed_size: Positive = setting(16, "E, of the vector of a symbol or word; adding has none.")

    @property
    def task(self) -> Problem:
        """The problem."""
        return PROBLEMS[self.problem]

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        self.check_choice("problem", PROBLEMS)
        if self.length < self.task.least_length:
            raise UserError(
                f"--config.length of the problem {self.problem} is {self.task.least_length} or "
                f"more; got {self.length}"
            )
