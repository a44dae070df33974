"""The settings of a model of names, of its data and of its training."""

import dataclasses

from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import NetworkConfig, Positive, Rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class NameSource(TrainingConfig):
    """Which names, and how they are read."""

    heading = "Data"

    data: str = setting(
        "embedded",
        "embedded (family names of the package Faker; without it, identifiers), identifiers (of "
        "the standard library), or a .tsv, .csv or .jsonl file or a folder of them.",
    )
    name_column: str = setting("name", "The column of the names; or its number, from 0.")
    class_column: str = setting("class", "The column of the classes; empty: there are none.")
    encoding: str = setting("utf-8", "Encoding of the files.")
    min_count: Positive = setting(2, "Characters in fewer training names count as unknown.")
    num_buckets: Positive = setting(4, "Lengths that names are padded to.")
    batch_size: Positive = setting(64, "B, names read side by side.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamingConfig(NameSource, NetworkConfig):
    """All that decides a run."""

    heading = "Model"

    cell: str = setting("gru", NetworkConfig.__dataclass_fields__["cell"].metadata["help"])
    hidden_size: Positive = setting(128, "H, units a layer.")
    embed_size: Positive = setting(64, "D, numbers a character is turned into.")
    dropout: Rate = setting(0.4, "On the output of each layer, a mask a name.")
