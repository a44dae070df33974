import time

import jax
import jax.numpy as jnp
import pytest

from rnnjax.training.reporting import meter
from rnnjax.training.reporting.meter import Meter
from tests.training import toy


class Clock:
    """Time goes by only where a test says so."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(meter.time, "perf_counter", lambda: self.now)

    def batches(self, seconds):
        for number, wait in enumerate(seconds):
            self.now += wait
            yield number


class Waiting(Meter):
    """A meter of a device that is idle as `idle` says in turn, and then always."""

    def __init__(self, *idle):
        self.rows, self.idle = [], iter(idle)
        super().__init__(0, self.rows.append)

    def _is_idle(self):
        return next(self.idle, True)

    def _update_speed(self):
        """No time goes by between two steps."""


def test_only_waits_after_which_the_device_is_idle_count(monkeypatch):
    """The first wait is no part of it: nothing was running yet."""
    clock, wait = Clock(monkeypatch), Waiting(True, False, True)
    for _ in wait.watch(clock.batches([9, 1, 2, 4])):
        clock.now += 3
    assert wait.data_wait == pytest.approx((1 + 4) / (3 + 1 + 3 + 2 + 3 + 4))


def test_what_is_no_training_does_not_count(monkeypatch):
    clock = Clock(monkeypatch)
    wait = Waiting()
    batches = wait.watch(clock.batches([1, 1, 1]))
    next(batches)
    clock.now += 4
    wait.flush()
    clock.now += 1000
    wait.restart_clock()
    next(batches)
    assert wait.data_wait == pytest.approx(1 / (4 + 1))
    wait.flush()
    next(batches)
    assert wait.data_wait == pytest.approx(1 / (4 + 1))


def test_compilations_do_not_count(monkeypatch):
    clock = Clock(monkeypatch)
    wait = Waiting()
    batches = wait.watch(clock.batches([1, 1, 1, 1]))
    next(batches)
    clock.now += 7
    next(batches)
    assert wait.data_wait == pytest.approx(1 / 8)
    jax.jit(lambda x: x + clock.now)(1.0)
    clock.now += 1000
    next(batches)
    assert wait.data_wait == pytest.approx(1 / 8)
    clock.now += 7
    next(batches)
    assert wait.data_wait == pytest.approx(2 / 16)


def test_shares_since_the_last_row(monkeypatch):
    clock = Clock(monkeypatch)
    wait = Waiting()
    step = toy.metrics()

    def next_row():
        """Of the interval before this one, which ends here."""
        wait.add(step)
        wait.close()
        return wait.rows[-1]

    wait.add(step)
    wait.close()
    assert wait.data_wait is None
    batches = wait.watch(clock.batches([1, 1, 3]))
    next(batches)
    next(batches)
    assert next_row()["data_wait"] == 1
    assert "data_wait" not in next_row()
    clock.now += 1
    next(batches)
    assert next_row()["data_wait"] == pytest.approx(3 / 4)
    assert wait.data_wait == pytest.approx(4 / 5)


class SlowBatches(toy.Batches):
    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def __next__(self):
        time.sleep(self.seconds)
        return super().__next__()


def train(path, step, batches, **options):
    given = {"log_every": 6, "evaluate": lambda params: {"loss": 1.0}, **options}
    result = toy.train(path, 18, step=step, batches=batches, **given)
    rows = toy.rows(path, "train")
    return result.data_wait, [row["data_wait"] for row in rows if "data_wait" in row]


@pytest.mark.parametrize("options", [{}, {"eval_every": 1}])
def test_slow_data_hold_up_a_fast_step(tmp_path, options):
    step, _ = toy.setup()
    share, shares = train(tmp_path, step, SlowBatches(0.1), **options)
    assert share > 0.6
    assert len(shares) >= 2
    assert shares[0] > 0.5


def test_the_same_data_do_not_hold_up_a_step_that_is_slower(tmp_path):
    """Each batch takes a third of a step: the host waits for it, the device does not."""
    step, _ = toy.setup()
    weights = jnp.ones((1000, 1000))

    @jax.jit
    def busy(x):
        return jax.lax.fori_loop(0, 4, lambda _, w: w @ weights * 1e-3, weights + x)[0, 0]

    def slow(state, batch):
        state, metrics = step(state, batch)
        return state, metrics | {"grad_norm": metrics["grad_norm"] + 0 * busy(metrics["grad_norm"])}

    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        busy(1.0).block_until_ready()
        seconds.append(time.perf_counter() - began)
    share, _ = train(tmp_path, slow, SlowBatches(min(seconds[1:]) / 3))
    assert share < 0.15
