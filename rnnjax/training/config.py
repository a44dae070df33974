"""The settings that tasks share: of the training and of the recurrent network."""

import dataclasses
import math
import types
import typing
from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from rnnjax.cells.cell import Cell
from rnnjax.cells.named import CELLS, DTYPES, deep, make_cell, operand_dtype
from rnnjax.errors import UserError, check_at_least, did_you_mean
from rnnjax.typing import DType

Optimizer = Literal["sgd", "rmsprop", "adam", "adamw", "muon"]
Schedule = Literal["constant", "step", "inverse", "cosine"]
AverageName = Literal["none", "ema", "asgd", "ntasgd"]

MOST = 2**31 - 1
"""The largest whole number of a setting; the lowest is as far below 0."""

MAY_CHANGE = (
    "num_steps",
    "warmup_steps",
    "average_decay",
    "log_every",
    "eval_every",
    "checkpoint_every",
    "data_workers",
    "patience",
)
"""Settings that may differ between a run and its resumption."""


class Limits(NamedTuple):
    """Which numbers a setting may be: `least` to `most`; a share is 0 to 1, a rate below 1."""

    least: float = -math.inf
    most: float = math.inf
    is_rate: bool = False
    is_share: bool = False


Positive = Annotated[int, Limits(1)]
Depth = Annotated[int, Limits(1, 1000)]
Count = Annotated[int, Limits(0)]
Weight = Annotated[float, Limits(0)]
Rate = Annotated[float, Limits(is_rate=True)]
Share = Annotated[float, Limits(is_share=True)]
"""Types of settings: they say which values can work, as a `Literal` of words does."""


def setting(default: Any, help_text: str, *, modes: str = "") -> Any:
    """A field that a flag sets, for the `modes` named, with blanks between; none named: for all."""
    metadata = {"help": help_text, "modes": tuple(modes.split())}
    return dataclasses.field(default=default, metadata=metadata)


def by_heading(config_class: type) -> dict[str, list[dataclasses.Field]]:
    """The fields of a config class under their headings, those of the data first."""
    classes: list[Any] = [c for c in reversed(config_class.__mro__) if dataclasses.is_dataclass(c)]
    found: dict[str, list[dataclasses.Field]] = {"Data": [], "Model": [], "Training": []}
    for field in dataclasses.fields(config_class):
        first = next(cls for cls in classes if field.name in cls.__dataclass_fields__)
        found[first.heading].append(field)
    return found


def chosen(flag: str, value: str, valid: Collection[str]) -> str:
    """The value of a flag, which is one of the valid words; UserError otherwise."""
    if value not in valid:
        raise UserError(f"unknown --{flag}={value}; {did_you_mean(value, valid)}")
    return value


class Settings:
    """The base of config dataclasses: it checks the values of their fields.

    A config may inherit from several: each extends `validate` and calls the next.

    Attributes:
        heading: what `--help` puts above the fields of a class: Data, Model or Training.
        flag_prefix: of the flags of its fields, behind the two dashes.
    """

    heading: ClassVar[str] = "Model"
    flag_prefix: ClassVar[str] = "config."

    def validate(self) -> None:
        """Raises UserError for a value that cannot work: at first, by the types of the fields."""
        for name, kind in typing.get_type_hints(type(self), include_extras=True).items():
            value, flag = getattr(self, name), f"--{self.flag_prefix}{name}"
            origin, arguments = typing.get_origin(kind), typing.get_args(kind)
            if origin is Literal:
                self.check_choice(name, arguments)
            elif value == "" and (name == "data" or types.NoneType in arguments):
                raise UserError(f"{flag} is empty: give a value, or leave the flag out")
            elif isinstance(value, int) or (origin is Annotated and value is not None):
                limits = kind.__metadata__[0] if origin is Annotated else Limits()
                if isinstance(value, int):
                    least, most = max(limits.least, -MOST), min(limits.most, MOST)
                    limits = limits._replace(least=least, most=most)
                if limits.is_rate and not 0 <= value < 1:
                    raise UserError(f"{flag} lies in [0, 1); got {value}")
                if limits.is_share and not 0 <= value <= 1:
                    raise UserError(f"{flag} lies in [0, 1]; got {value}")
                self.check_at_least(limits.least, name)
                if not value <= limits.most:
                    raise UserError(f"{flag} is at most {limits.most:,}; got {value}")

    def check_choice(self, name: str, valid) -> None:
        """Raises UserError unless the field is one of the valid words."""
        chosen(f"{self.flag_prefix}{name}", getattr(self, name), valid)

    def check_at_least(self, least: float, name: str) -> None:
        """Raises UserError unless the field is at least that, and finite."""
        check_at_least(least, **{f"--{self.flag_prefix}{name}": getattr(self, name)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig(Settings):
    """How to train; the config of an experiment adds its data and its model."""

    heading = "Training"
    phases: ClassVar[tuple[str, ...]] = ()
    """Fields that count updates from the first one on."""

    seed: int = setting(0, "Decides the initial weights, dropout and the order of the data.")
    batch_size: Positive = setting(32, "B, sequences read side by side.")
    num_steps: Positive = setting(3000, "Updates.")
    optimizer: Optimizer = setting("adam", f"One of {', '.join(typing.get_args(Optimizer))}.")
    learning_rate: float = setting(4e-3, "The highest learning rate of the schedule.")
    schedule: Schedule = setting("cosine", f"One of {', '.join(typing.get_args(Schedule))}.")
    warmup_steps: Annotated[int | None, Limits(0)] = setting(
        None, "Updates of linear warm-up; default: a tenth of num_steps, at most 100."
    )
    decay_every: Positive = setting(
        1000, "Schedule step: updates between two halvings; inverse: until the first halving."
    )
    momentum: Rate = setting(0.9, "Of optimizer sgd; 0: none.")
    weight_decay: Weight = setting(
        0.0, "Weights shrink by it: decoupled in adamw and muon, else as L2."
    )
    clip_norm: Weight = setting(1.0, "The global gradient norm is clipped to this; 0: never.")
    average: AverageName = setting(
        "ema", f"Weights to evaluate with, one of {', '.join(typing.get_args(AverageName))}."
    )
    average_decay: Annotated[float | None, Limits(is_rate=True)] = setting(
        None,
        "Average ema: default 0.998, or less, so that it remembers a sixth of num_steps at most.",
    )
    average_start: Count = setting(0, "Average asgd: updates before it begins.")
    average_patience: Count = setting(
        5, "Average ntasgd begins when a validation is worse than one before the latest so many."
    )
    log_every: Annotated[int | None, Limits(1)] = setting(
        None, "Updates in a row of metrics; default: a twentieth of num_steps, at most 50."
    )
    eval_every: Count = setting(250, "Updates between evaluations.")
    checkpoint_every: Count = setting(500, "Updates between checkpoints.")
    data_workers: Annotated[int, Limits(0, 256)] = setting(
        0, "Processes that make batches; 0: a thread of this one."
    )
    patience: Count = setting(0, "Evaluations without a new best before stopping; 0: never.")

    @property
    def warmup(self) -> int:
        """Updates of linear warm-up."""
        return min(100, self.num_steps // 10) if self.warmup_steps is None else self.warmup_steps

    @property
    def row_every(self) -> int:
        """Updates in a row of metrics."""
        return max(1, min(50, self.num_steps // 20)) if self.log_every is None else self.log_every

    @property
    def decay(self) -> float:
        """Of the exponential average: 1 - 1 / n remembers about n updates."""
        if self.average_decay is not None:
            return self.average_decay
        return 1 - 1 / min(500, max(1, self.num_steps // 6))

    def of_length(self, num_steps: int) -> Self:
        """The config with so many updates; warm-up, average and phases of a shorter run shrink."""
        config = dataclasses.replace(self, num_steps=num_steps)
        if num_steps >= self.num_steps:
            return config
        phases = {name: getattr(self, name) * num_steps // self.num_steps for name in self.phases}
        config = dataclasses.replace(config, **phases)
        short = dataclasses.replace(config, warmup_steps=None, average_decay=None)
        if self.warmup_steps is not None:
            config = dataclasses.replace(config, warmup_steps=min(self.warmup, short.warmup))
        if self.average_decay is not None:
            config = dataclasses.replace(config, average_decay=min(self.decay, short.decay))
        return config

    def with_settings(self, **given: Any) -> Self:
        """The config with these fields, and with others as they then have to be.

        A task overrides it where a field that is not given would make one that is given an error.
        """
        return dataclasses.replace(self.of_length(given.get("num_steps", self.num_steps)), **given)

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        if self.average == "ntasgd" and not self.eval_every:
            raise UserError("--config.average=ntasgd needs evaluations; got --config.eval_every=0")
        if not 0 < self.learning_rate < math.inf:
            raise UserError(f"--config.learning_rate is above 0; got {self.learning_rate}")
        if self.schedule == "cosine" and self.num_steps <= self.warmup:
            raise UserError(
                f"--config.schedule=cosine needs num_steps above warmup_steps; got "
                f"num_steps={self.num_steps} and warmup_steps={self.warmup}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkConfig(Settings):
    """The recurrent network of a model; a task declares again what has another default or help."""

    cell: str = setting("lstm", f"One of {', '.join(CELLS)}; or your own, as MODULE:FACTORY.")
    hidden_size: Positive = setting(256, "H, units a layer.")
    num_layers: Depth = setting(1, "L, recurrent layers.")
    dropout: Rate = setting(0.0, "On the output of each layer, a mask a sequence.")
    compute_dtype: str = setting(
        "float32", f"Dtype of matmul operands, one of {', '.join(DTYPES)}."
    )

    @property
    def operand_dtype(self) -> DType | None:
        """The `compute_dtype` of cells and heads; None: operands stay as they are."""
        return operand_dtype(self.compute_dtype)

    def network(self, **options: Any) -> Cell:
        """The layers of the config; `options` of `rnnjax.cells.named.deep` come first."""
        shared = {
            "num_layers": self.num_layers,
            "dropout": self.dropout,
            "compute_dtype": self.compute_dtype,
        }
        return deep(self.cell, self.hidden_size, **{**shared, **options})

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        self.check_choice("compute_dtype", DTYPES)
        if ":" in self.cell:
            make_cell(self.cell, self.hidden_size, compute_dtype=self.operand_dtype)
        else:
            self.check_choice("cell", CELLS)
