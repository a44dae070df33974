"""What a run says while it runs: a bar on a terminal, plain lines in a file."""

import math
import sys
import time

from tqdm import tqdm

from rnnjax.training.processes.group import is_first

SECONDS_BETWEEN_LINES = 5.0


def say(text: str) -> None:
    """Prints a line to stderr, above a progress bar where there is one; the first process only."""
    if is_first():
        tqdm.write(text, file=sys.stderr)


def describe(metrics: dict[str, float], unit: str) -> str:
    """Metrics in words; the loss in nats and bits where `unit` says per what."""
    words = [f"{name} {value:.4g}" for name, value in metrics.items() if name != "loss"]
    if "loss" in metrics:
        loss = metrics["loss"]
        in_nats = f"loss {loss:.4f} nats/{unit} ({loss / math.log(2):.4f} bits)"
        words.insert(0, in_nats if unit else f"loss {loss:.4g}")
    return ", ".join(words)


class Progress:
    """Shows how far the training is.

    Args:
        step: where it begins.
        num_steps: where it ends.
        unit: what the loss counts, 'char' for one; empty: the loss is not in nats per unit.
        speed_unit: what the speed counts; empty: the same.
    """

    def __init__(self, step: int, num_steps: int, unit: str, speed_unit: str = ""):
        self._first_step, self._num_steps, self._unit = step, num_steps, unit
        self._speed_unit = speed_unit or unit or "unit"
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
        rate = f"{_compact(row['units_per_second'])} {self._speed_unit}/s"
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
            say(f"step {step}/{self._num_steps}: {text}, {_clock(remaining)} left")


def _compact(number: float) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{suffix}"
    return f"{number:.3g}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
