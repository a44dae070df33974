"""The settings of the task."""

import dataclasses
from typing import Annotated, Any, Self

from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.training import setting
from rnnjax.training.config import Limits, NetworkConfig, Positive

SUNSPOT_CYCLE = 11
"""Years, about."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesConfig(training.TrainingConfig, NetworkConfig):
    """All that decides a run."""

    heading = "Data"

    data: str = setting(
        "embedded",
        "embedded, a CSV file with a header, a folder whose file names say train, valid and test, "
        "or train=PATH,validation=PATH,test=PATH.",
    )
    series: str = setting("", "Column that says which series a row belongs to; empty: a file each.")
    inputs: str = setting("", "Columns to read, separated by commas; empty: all of numbers.")
    target: str = setting("", "Forecast: the column; empty: the last one of numbers.")
    window: Positive = setting(48, "Forecast: rows of the past to read.")
    horizon: Positive = setting(1, "Forecast: rows to forecast.")
    season: Annotated[int | None, Limits(0)] = setting(
        None,
        "Forecast: rows of a season, for the comparison; 0: none. Default: 11 of embedded, else 0.",
    )
    label: str = setting("", "Classify: the column of the class; empty: forecast.")
    num_buckets: Positive = setting(4, "Classify: lengths that series are padded to.")
    encoding: str = setting("utf-8", "Text encoding of the files.")
    hidden_size: Positive = setting(32, "H, units a layer.")

    @property
    def season_length(self) -> int:
        """Rows of a season; 0: there is none."""
        if self.season is None:
            return SUNSPOT_CYCLE if self.data == "embedded" and self.window >= SUNSPOT_CYCLE else 0
        return self.season

    def with_settings(self, **given: Any) -> Self:
        """The config with these fields; a window holds the season given, or there is none."""
        if "window" not in given:
            given["window"] = max(self.window, given.get("season", 0))
        elif self.season is not None and self.season > given["window"]:
            given.setdefault("season", 0)
        return super().with_settings(**given)

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        if self.season_length > self.window:
            raise UserError(
                f"--config.season is at most --config.window, so that the seasonal forecast sees "
                f"the same past; got season={self.season} and window={self.window}"
            )
        if self.label and not self.series:
            raise UserError("--config.label needs --config.series=COLUMN: which rows are a series")
        if self.label and self.target:
            raise UserError("--config.target is to forecast and --config.label to classify: choose")
