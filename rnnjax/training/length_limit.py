"""The policy for sequences longer than a limit: truncate, skip or keep; they are counted."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np

from rnnjax.errors import UserError
from rnnjax.training.config import Limits, Settings, setting

TooLong = Literal["truncate", "skip", "keep"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LengthLimit(Settings):
    """The settings of a limit; a task declares `max_length` again, with its unit."""

    heading = "Data"

    max_length: Annotated[int | None, Limits(1)] = setting(None, "Symbols; default: no limit.")
    too_long: TooLong = setting(
        "truncate",
        "Texts longer than max_length: truncate, skip (in training; others are kept) or keep.",
    )

    @property
    def limit(self) -> int | None:
        """The length that sequences are cut to; None: they stay whole."""
        return self.max_length if self.too_long == "truncate" else None

    def longer(self, lengths: np.ndarray) -> np.ndarray:
        """Which lengths are above the limit, bool."""
        return lengths > (np.inf if self.max_length is None else self.max_length)

    def keeps(self, lengths: np.ndarray) -> np.ndarray:
        """Which sequences training reads, bool."""
        return ~self.longer(lengths) | (self.too_long != "skip")

    def kept(self, lengths: np.ndarray, unit: str) -> np.ndarray:
        """The indices of the sequences that training reads.

        Raises:
            UserError: there are none.
        """
        if not (kept := np.flatnonzero(self.keeps(lengths))).size:
            raise UserError(
                f"every training text is longer than --config.max_length={self.max_length} {unit}: "
                f"the shortest has {lengths.min()}"
            )
        return kept

    def cut(self, lengths: np.ndarray) -> np.ndarray:
        """The lengths of sequences that have been cut."""
        return lengths if self.limit is None else np.minimum(lengths, self.limit)

    def notes(self, lengths: Mapping[str, np.ndarray], noun: str, unit: str) -> list[str]:
        """Notes on each split, by the uncut lengths of its texts: how many are longer, their fate.

        `noun` is what the texts are called, `unit` that of their lengths, such as words.
        """
        found = []
        for split, its in lengths.items():
            skipped = self.too_long == "skip" and split == "train"
            fate = "left out" if skipped else "kept whole" if self.limit is None else "cut"
            name = "training" if split == "train" else split
            if number := int(self.longer(its).sum()):
                found.append(
                    f"{number:,} {name} {noun} are longer than {self.max_length} {unit} and {fate}"
                )
        return found
