"""Reads the metrics of the steps without making the host wait for the device."""

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax

COMPILATION = "/jax/core/compile/backend_compile_duration"
Batch = TypeVar("Batch")
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
    steps_per_second, learning_rate (of the last step, if the step reports it), and data_wait: the
    share of the time since the row before in which the device had nothing to do because a batch
    was not there, at most.

    The host reads ahead of the device: its waiting for a batch costs nothing while the device is
    busy. So a wait counts only if the device is idle at its end, and then all of it counts: the
    share is an upper bound. Steps at which something is compiled do not count at all.
    """

    def __init__(self, step: int, emit: Callable[[dict[str, float]], None]):
        self._emit = emit
        self._fetched = step
        self._open: list[Metrics] = []
        self._waiting: list[Metrics] = []
        self._mark: tuple[float, int] | None = None
        self._steps_per_second = 0.0
        self._since: float | None = None
        self._compiled = 0
        self._waited = self._total = 0.0
        self._reported = 0.0, 0.0

    def watch(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Hands batches on, and measures for how long the device waits for them."""
        began = time.perf_counter()
        for batch in batches:
            now, compiled = time.perf_counter(), _compilations()[COMPILATION]
            if self._since is not None and compiled == self._compiled:
                self._total += now - self._since
                self._waited += now - began if self._is_idle() else 0.0
            self._since, self._compiled = now, compiled
            yield batch
            began = time.perf_counter()

    def _is_idle(self) -> bool:
        """Whether the device has done all steps so far; does not wait."""
        steps = self._open or self._waiting
        return not steps or steps[-1]["grad_norm"].is_ready()

    @property
    def data_wait(self) -> float | None:
        """The share of the time so far in which the device waited for a batch; None: unknown."""
        return self._waited / self._total if self._total else None

    def add(self, metrics: Metrics) -> None:
        """Adds the metrics of the step that was just dispatched."""
        self._open.append(metrics)
        if self._mark is None:
            self._mark = (time.perf_counter(), self._fetched)

    def close(self) -> None:
        """Ends an interval, and reports the one before it.

        Raises:
            NonFinite: a loss or a gradient of a step was not finite.
        """
        waiting, self._waiting, self._open = self._waiting, self._open, []
        if waiting:
            self._report(waiting)

    def flush(self) -> None:
        """Ends an interval, waits for its steps, and reports all; raises as `close` does."""
        self.close()
        self.close()
        if self._since is not None and _compilations()[COMPILATION] == self._compiled:
            self._total += time.perf_counter() - self._since
        self._since = None

    def restart_clock(self) -> None:
        """Leaves the time since the last flush out of the speeds and shares."""
        now = time.perf_counter()
        self._since, self._compiled = now, _compilations()[COMPILATION]
        self._mark = (now, self._fetched)

    def _report(self, interval: list[Metrics]) -> None:
        steps = jax.device_get(interval)
        for step, metrics in enumerate(steps, start=self._fetched + 1):
            if not metrics["finite"]:
                total, count = metrics["sums"]["loss"]
                raise NonFinite(
                    step,
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
        waited, total = self._waited - self._reported[0], self._total - self._reported[1]
        self._reported = self._waited, self._total
        row = {
            "step": self._fetched,
            **means,
            "grad_norm": sum(float(m["grad_norm"]) for m in steps) / len(steps),
            "clip_rate": sum(bool(m["clipped"]) for m in steps) / len(steps),
            "units_per_second": work / len(steps) * self._steps_per_second,
            "steps_per_second": self._steps_per_second,
        }
        if total:
            row["data_wait"] = waited / total
        if "learning_rate" in steps[-1]:
            row["learning_rate"] = float(steps[-1]["learning_rate"])
        self._emit(row)

    def _update_speed(self) -> None:
        """Counts the steps that the device has finished by now, fetched or not."""
        unfetched = [*self._waiting, *self._open]
        done = self._fetched + sum(m["grad_norm"].is_ready() for m in unfetched)
        now = time.perf_counter()
        if self._mark is not None and done > self._mark[1]:
            self._steps_per_second = (done - self._mark[1]) / (now - self._mark[0])
            self._mark = (now, done)


@functools.cache
def _compilations() -> Counter[str]:
    """How often JAX reported each event since the first call."""
    seen: Counter[str] = Counter()

    def note(event: str, duration_secs: float, **_: object) -> None:
        seen[event] += 1

    jax.monitoring.register_event_duration_secs_listener(note)
    return seen
