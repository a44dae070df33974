"""The columns of a model: their names, means, standard deviations, and the classes."""

import dataclasses
from typing import Self

import numpy as np

from rnnjax.data.vocabulary import SavedVocabulary
from rnnjax.errors import UserError
from rnnjax.tasks.series.sources import Source, columns_of


@dataclasses.dataclass(frozen=True)
class Scaling(SavedVocabulary):
    """The columns of a model and their units.

    Attributes:
        inputs: the D columns that it reads.
        target: the column that it forecasts; empty: it classifies.
        classes: that it tells apart; empty: it forecasts.
        mean: of `columns`, over the training split.
        std: likewise; 1 where a column is constant.
    """

    inputs: tuple[str, ...]
    target: str
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, source: Source) -> Self:
        """Computes mean and standard deviation on the training split.

        Raises:
            UserError: it has no row, or a column has no value there.
        """
        train = source.splits["train"]
        rows = np.concatenate([series.values[series.first : series.end] for series in train])
        columns = columns_of(source.inputs, source.target)
        if not len(rows):
            first = train[0]
            raise UserError(f"{first.place}: none of {len(first.values)} rows is for training")
        for name, empty in zip(columns, np.isnan(rows).all(axis=0).tolist(), strict=True):
            if empty:
                raise UserError(f"the training split has no value in the column {name!r}")
        mean, std = np.nanmean(rows, axis=0), np.nanstd(rows, axis=0)
        classes = sorted({series.label for series in train} - {""})
        return cls(
            source.inputs,
            source.target,
            tuple(classes),
            tuple(mean.tolist()),
            tuple(np.where(std > 1e-9 * np.abs(mean), std, 1).tolist()),  # but for rounding
        )

    @property
    def columns(self) -> list[str]:
        """The C columns: the inputs, and the target if it is none of them."""
        return columns_of(self.inputs, self.target)

    @property
    def target_column(self) -> int:
        """Which of `columns` is the target."""
        return self.columns.index(self.target)

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """``(values - mean) / std``, float32; NaN stays.

        Args:
            values: `[T, C]`, or `[T, D]` of the inputs.
        """
        width = values.shape[1]
        return ((values - self.mean[:width]) / self.std[:width]).astype(np.float32)

    def read(self, values: np.ndarray) -> np.ndarray:
        """The input of the model for a series, float32 `[T, D]`.

        A missing value is that of the row before, which a forecast may know; at the beginning it is
        the mean of the training split.

        Args:
            values: `[T, C]` or `[T, D]`.
        """
        scaled = self.scaled(values[:, : len(self.inputs)])
        return carried_forward(scaled, 0.0)

    def in_units(self, scaled: np.ndarray) -> np.ndarray:
        """Values of the target in its own unit."""
        at = self.target_column
        return scaled * self.std[at] + self.mean[at]


def carried_forward(values: np.ndarray, beginning: float) -> np.ndarray:
    """Values `[T, D]` with the one before for each NaN; `beginning` where there is none before."""
    rows = np.where(np.isnan(values), -1, np.arange(len(values))[:, None])
    rows = np.maximum.accumulate(rows, axis=0)
    known = np.take_along_axis(values, np.maximum(rows, 0), axis=0)
    return np.where(rows < 0, np.asarray(beginning, values.dtype), known)
