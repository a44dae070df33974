"""Reads each step's metrics without ever holding up the steps."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax

from rnnjax.training.reporting.data_wait import Batch, DataWait

Metrics = dict[str, Any]


class NonFinite(Exception):
    """The first step at which something was not finite, and what."""

    def __init__(self, step: int, what: str):
        super().__init__(f"{what} at step {step}")
        self.step, self.what = step, what


class Meter:
    """Gathers the device metrics of the training steps into one row for each interval.

    An interval's metrics are fetched when the next one ends: by then its steps are done, so the
    host never waits for the step it has just dispatched, and yet never runs more than two
    intervals ahead of the device.

    A row holds: step (the last one of the interval), the mean of every sum that the step reports
    ('loss' among them), grad_norm (mean), clip_rate, units_per_second (of the steps' work),
    steps_per_second, and data_wait: the share of the time since the row before in which the device
    had nothing to do because a batch was not there, at most (see `DataWait`).

    Args:
        step: steps made before the first that will be added.
        emit: is called with each row.
    """

    def __init__(self, step: int, emit: Callable[[dict[str, float]], None]):
        self._emit = emit
        self._fetched = step
        self._open: list[Metrics] = []
        self._waiting: list[Metrics] = []
        self._mark: tuple[float, int] | None = None
        self._steps_per_second = 0.0
        self._wait = DataWait()

    def watch(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Hands batches on, and measures for how long the device waits for them."""
        return self._wait.watch(batches, self._is_idle)

    @property
    def data_wait(self) -> float | None:
        """The share of the time so far that went by for want of a batch; None: not known."""
        return self._wait.share()

    def add(self, metrics: Metrics) -> None:
        """Adds the metrics of the step that was just dispatched."""
        self._open.append(metrics)
        if self._mark is None:
            self._mark = (time.perf_counter(), self._fetched)

    def close(self) -> None:
        """Ends an interval, and reports the one before it.

        Raises:
            NonFinite: a step reported so.
        """
        waiting, self._waiting, self._open = self._waiting, self._open, []
        if waiting:
            self._report(waiting)

    def flush(self) -> None:
        """Ends an interval, waits for its steps, and reports all; raises as `close` does."""
        self.close()
        self.close()
        self._wait.pause()

    def restart_clock(self) -> None:
        """Leaves the time since the last flush out of the speeds and shares."""
        self._wait.go_on()
        self._mark = (time.perf_counter(), self._fetched)

    def _report(self, interval: list[Metrics]) -> None:
        steps = jax.device_get(interval)
        for offset, metrics in enumerate(steps):
            if not metrics["finite"]:
                total, count = metrics["sums"]["loss"]
                raise NonFinite(
                    self._fetched + offset + 1,
                    f"the loss was {total / max(count, 1):.4g} "
                    f"and the gradient norm {metrics['grad_norm']:.4g}",
                )
        self._fetched += len(steps)
        means = {}
        for name in steps[0]["sums"]:
            total = sum(float(metrics["sums"][name][0]) for metrics in steps)
            count = sum(float(metrics["sums"][name][1]) for metrics in steps)
            means[name] = total / count if count else float("nan")
        work = sum(float(metrics["work"]) for metrics in steps)
        self._update_speed()
        wait = self._wait.share_since_last()
        self._emit(
            {
                "step": self._fetched,
                **means,
                "grad_norm": sum(float(m["grad_norm"]) for m in steps) / len(steps),
                "clip_rate": sum(bool(m["clipped"]) for m in steps) / len(steps),
                "units_per_second": work / len(steps) * self._steps_per_second,
                "steps_per_second": self._steps_per_second,
                **({} if wait is None else {"data_wait": wait}),
            }
        )

    def _is_idle(self) -> bool:
        steps = self._open or self._waiting
        return not steps or steps[-1]["grad_norm"].is_ready()

    def _update_speed(self) -> None:
        """Counts the steps that the device has finished by now, fetched or not."""
        unfetched = [*self._waiting, *self._open]
        done = self._fetched + sum(m["grad_norm"].is_ready() for m in unfetched)
        now = time.perf_counter()
        if self._mark is not None and done > self._mark[1]:
            self._steps_per_second = (done - self._mark[1]) / (now - self._mark[0])
            self._mark = (now, done)
