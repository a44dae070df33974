"""The settings of a network that reads DNA, of its data and of its training."""

import dataclasses
from typing import Annotated, Literal, get_args

from rnnjax.data.labelled import FOLDS
from rnnjax.models.sequence_classifier import Pooling
from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import Count, Limits, NetworkConfig, Positive, Rate

Problem = Literal["genes", "classes"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DnaConfig(TrainingConfig, NetworkConfig):
    """All that decides a run."""

    heading = "Data"

    problem: Problem = setting("genes", "genes: find them; classes: say the class of a sequence.")
    data: str = setting("embedded", "embedded (genes), a folder with named splits, or a file.")
    sequence_column: str = setting("sequence", "Tables: column of the sequences, or its number.")
    label_column: str = setting("label", "Classes: column of the classes, or its number.")
    tags_column: str = setting("tags", "Genes, tables: column of the tags, or its number.")
    fold: Annotated[int, Limits(0, FOLDS - 1)] = setting(
        0, f"One file: which of {FOLDS} folds is for the test, from 0."
    )
    encoding: str = setting("utf-8", "Encoding of the files.")
    num_buckets: Positive = setting(4, "Lengths that sequences are padded to.")
    signals: bool = setting(
        True,
        "Genes: begin with ATG, end at the first stop codon in the frame, and have introns GT..AG. "
        "False: only the reading frame binds.",
    )
    kmer: Annotated[int, Limits(1, 5)] = setting(
        3, "Bases that one step reads: the one at that step and its neighbours."
    )
    positions: Count = setting(
        0, "Classes: steps whose number is an input too, one-hot; for windows around one site."
    )
    both_strands: bool = setting(
        False, "Classes: mean score of a sequence and its reverse complement."
    )
    hidden_size: Positive = setting(64, "H, units of a layer in each direction.")
    bidirectional: bool = setting(True, "Read from left to right and from right to left.")
    pooling: Pooling = setting(
        "max", f"Classes: how steps become one, {', '.join(get_args(Pooling))}."
    )
    dropout: Rate = setting(0.0, "On layers' outputs, and of classes on the pooled vector.")
