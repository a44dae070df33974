"""The settings of the task."""

import dataclasses

from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.training import setting
from rnnjax.training.config import NetworkConfig, Positive


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
    label: str = setting("", "Classify: the column of the class; empty: forecast.")
    num_buckets: Positive = setting(4, "Classify: lengths that series are padded to.")
    encoding: str = setting("utf-8", "Text encoding of the files.")
    hidden_size: Positive = setting(32, "H, units a layer.")

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        if self.label and not self.series:
            raise UserError("--config.label needs --config.series=COLUMN: which rows are a series")
        if self.label and self.target:
            raise UserError("--config.target is to forecast and --config.label to classify: choose")
