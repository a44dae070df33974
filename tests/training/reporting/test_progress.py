"""Metrics in words, and the lines of a training."""

import re

from tqdm import tqdm

from rnnjax.training.reporting import progress
from rnnjax.training.reporting.progress import BAR, Measures, Progress, describe


def test_numbers_are_written_as_people_write_them():
    metrics = {"count": 46503.0, "f1": 65.432, "loss": 0.693147, "exact": 7.0}
    assert describe(metrics, "char", "%, greedy") == (
        "loss 0.6931 nats/char (1.0000 bits), f1 65.43, exact 7.00 (%, greedy)"
    )
    assert describe({"loss": 3.4, "nats": 1.2, "reward": -1234.5}, "word") == (
        "loss 1.2000 nats/word (1.7312 bits), reward -1,234"
    )
    assert describe({"loss": 12.3456}, "") == "loss 12.35"


def test_lines_come_at_regular_steps_and_the_time_left_leaves_out_the_compilation(
    monkeypatch, capsys
):
    """30 s of compilation, then 100 steps a second: a line every 800 steps is one in 8 s."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with Progress(0, 4000, 50, Measures("char")) as shown:
        clock[0] = 30
        for step in range(50, 4050, 50):
            clock[0] += 0.5
            shown.show({"step": step, "loss": 1.0, "units_per_second": 9.0})
    first, *lines = capsys.readouterr().err.splitlines()
    assert first == "Compiling the training step."
    found = [re.fullmatch(r"step (\d+)/4000: loss [^,]*, 9.00 char/s(?:, (.*) left)?", line)
             for line in lines]  # fmt: skip
    assert [int(match[1]) for match in found] == [50, 100, 200, 400, 800, 1600, 2400, 3200, 4000]
    assert [match[2] for match in found[:3]] == [None, "00:39", "00:38"]


def test_a_narrow_terminal_shows_the_loss():
    text = "loss 1.2345 nats/char (1.7810 bits), 12.3k char/s"
    bar = tqdm.format_meter(1500, 4000, 10, ncols=40, bar_format=BAR, postfix=text)
    assert bar.startswith("1500/4000, loss 1.2345 nats/char")
    assert len(bar) <= 40
