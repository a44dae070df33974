"""The terminal output of a run: a progress bar, plain lines in a file, tables."""

import math
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tqdm import tqdm

from rnnjax.training.processes.group import is_first

SECONDS_BETWEEN_LINES = 5.0
Batch = dict[str, Any]
BAR = "{n_fmt}/{total_fmt}{postfix} |{bar}|"
"""The loss stands where a narrow terminal still shows it."""


def say(text: str) -> None:
    """Prints news to stderr, above the progress bar if there is one; the first process only."""
    if is_first():
        tqdm.write(text, file=sys.stderr)


def tell(result: str) -> None:
    """Prints a result to stdout; the first process only."""
    if is_first():
        print(result, flush=True)


def with_progress(batches: Iterable[Batch], total: int, doing: str) -> Iterator[Batch]:
    """Yields the batches of `total` examples; a bar shows how far they are if that takes long.

    Their `indices` are negative in rows that only fill a batch.
    """
    with tqdm(total=total, desc=doing, disable=None, leave=False, delay=2) as bar:
        for batch in batches:
            yield batch
            bar.update(int((batch["indices"] >= 0).sum()))


def describe(metrics: dict[str, float], unit: str, scale: str = "") -> str:
    """Metrics in words; `loss` comes first, and of more than a likelihood its part `nats`.

    For `unit` and `scale` see `Measures`.
    """
    hidden = ("loss", "nats", "count")
    shown = {name: value for name, value in metrics.items() if name not in hidden}
    scores = ", ".join(
        f"{name} {value:.2f}" if scale else f"{name} {_short(value)}"
        for name, value in shown.items()
    )
    if scale and scores:
        scores = f"{scores} ({scale})"
    loss = metrics.get("nats", metrics["loss"])
    in_nats = f"loss {loss:.4f} nats/{unit} ({loss / math.log(2):.4f} bits)"
    return ", ".join(filter(None, [in_nats if unit else f"loss {loss:.4g}", scores]))


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


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
    """The units of the numbers of a training.

    Attributes:
        unit: what the loss is in nats of, 'char' for one; empty where it is not in nats.
        speed_unit: what the speed counts; empty: the same.
        metric: the number of an evaluation that decides which checkpoint is best.
        scale: of the scores of an evaluation, of which more is better: `%`, or with how they were
            found, `%, greedy`. Empty: there is a loss and no score.
        evaluated: what an evaluation reads, as its loss is called.
    """

    unit: str = ""
    speed_unit: str = ""
    metric: str = "loss"
    scale: str = ""
    evaluated: str = "validation"

    @property
    def higher_is_better(self) -> bool:
        """Whether the metric that decides is a score, and not a loss."""
        return self.metric != "loss"

    @property
    def counted(self) -> str:
        """The unit that a batch is counted in."""
        return self.unit or self.speed_unit


class Progress:
    """Shows how far the training is from `step` on: a bar on a terminal, else regular lines.

    There is a row to show every `log_every` steps.
    """

    def __init__(self, step: int, num_steps: int, log_every: int, measures: Measures):
        self._first_step, self._num_steps, self._unit = step, num_steps, measures.unit
        self._speed_unit = measures.speed_unit or measures.unit or "unit"
        self._line_every = log_every
        self._first_row: tuple[int, float] | None = None
        self._last_line = time.monotonic()
        self._bar = None
        if step >= num_steps:
            return
        if sys.stderr.isatty() and is_first():
            self._bar = tqdm(total=num_steps, initial=step, dynamic_ncols=True, bar_format=BAR)
            self._bar.set_postfix_str("compiling")
        else:
            say("Compiling the training step.")

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, row: dict[str, float]) -> None:
        """Shows one row of training metrics (see `meter.Meter`)."""
        step = int(row["step"])
        rate = f"{tqdm.format_sizeof(row['units_per_second'])} {self._speed_unit}/s"
        losses = {name: value for name, value in row.items() if name in ("loss", "nats")}
        text = f"{describe(losses, self._unit)}, {rate}"
        now = time.monotonic()
        if self._first_row is None:  # What came before was mostly compilation.
            self._first_row = step, now
        elif step > self._first_row[0]:
            seconds_a_step = (now - self._first_row[1]) / (step - self._first_row[0])
            left = tqdm.format_interval(seconds_a_step * (self._num_steps - step))
            text = f"{text}, {left} left"
        if self._bar is not None:
            self._bar.update(step - self._bar.n)
            self._bar.set_postfix_str(text)
        elif step % self._line_every == 0 or step == self._num_steps:
            say(f"step {step}/{self._num_steps}: {text}")
            if now - self._last_line < SECONDS_BETWEEN_LINES:
                self._line_every *= 2
            self._last_line = now
