"""What a run prints: a progress bar on a terminal, plain lines in a file, tables."""

import math
import sys
import time
from collections.abc import Collection, Sequence
from typing import NamedTuple

from tqdm import tqdm

from rnnjax.training.processes.group import is_first

SECONDS_BETWEEN_LINES = 5.0


def say(text: str) -> None:
    """Prints news to stderr, above the progress bar if there is one; the first process only."""
    if is_first():
        tqdm.write(text, file=sys.stderr)


def tell(result: str) -> None:
    """Prints a result to stdout; the first process only."""
    if is_first():
        print(result, flush=True)


def describe(metrics: dict[str, float], unit: str) -> str:
    """Metrics in words; the loss in nats and bits where `unit` says per what."""
    words = [f"{name} {_short(value)}" for name, value in metrics.items() if name != "loss"]
    if "loss" in metrics:
        loss = metrics["loss"]
        in_nats = f"loss {loss:.4f} nats/{unit} ({loss / math.log(2):.4f} bits)"
        words.insert(0, in_nats if unit else f"loss {loss:.4g}")
    return ", ".join(words)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def aligned(rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """A table of fixed width, indented; the columns `numbers` are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  "
        + "  ".join(
            cell.rjust(width) if n in numbers else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


class Measures(NamedTuple):
    """What the numbers of a training count.

    Attributes:
        unit: what the loss is in nats of, 'char' for one; empty where it is not in nats.
        speed_unit: what the speed counts; empty: the same.
        metric: the number of an evaluation that decides which checkpoint is best.
        higher_is_better: whether more of it is better.
    """

    unit: str = ""
    speed_unit: str = ""
    metric: str = "loss"
    higher_is_better: bool = False

    @property
    def counted(self) -> str:
        """What a batch holds."""
        return self.unit or self.speed_unit


class Progress:
    """Shows how far the training is.

    Args:
        step: where it begins.
        num_steps: where it ends.
        measures: what the loss and the speed count.
    """

    def __init__(self, step: int, num_steps: int, measures: Measures):
        self._first_step, self._num_steps, self._unit = step, num_steps, measures.unit
        self._speed_unit = measures.speed_unit or measures.unit or "unit"
        self._began = self._last_line = time.monotonic()
        self._bar = None
        if sys.stderr.isatty() and is_first():
            self._bar = tqdm(
                total=num_steps, initial=step, unit="step", dynamic_ncols=True, smoothing=0.05
            )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, row: dict[str, float]) -> None:
        """Shows one row of training metrics (see `meter.Meter`)."""
        step = int(row["step"])
        rate = f"{tqdm.format_sizeof(row['units_per_second'])} {self._speed_unit}/s"
        text = f"{describe({'loss': row['loss']}, self._unit)}, {rate}"
        if self._bar is not None:
            self._bar.update(step - self._bar.n)
            self._bar.set_postfix_str(text)
            return
        now = time.monotonic()
        if now - self._last_line >= SECONDS_BETWEEN_LINES or step == self._num_steps:
            self._last_line = now
            done = max(step - self._first_step, 1)
            remaining = (now - self._began) / done * (self._num_steps - step)
            clock = tqdm.format_interval(remaining)
            say(f"step {step}/{self._num_steps}: {text}, {clock} left")
