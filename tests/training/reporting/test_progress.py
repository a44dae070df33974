"""Metrics in words."""

from rnnjax.training.reporting.progress import describe


def test_numbers_are_written_as_people_write_them():
    metrics = {"count": 46503.0, "f1": 65.432, "loss": 0.693147, "exact": 7.0}
    assert describe(metrics, "char", "%, greedy") == (
        "loss 0.6931 nats/char (1.0000 bits), f1 65.43, exact 7.00 (%, greedy)"
    )
    assert describe({"loss": 3.4, "nats": 1.2, "reward": -1234.5}, "word") == (
        "loss 1.2000 nats/word (1.7312 bits), reward -1,234"
    )
    assert describe({"loss": 12.3456}, "") == "loss 12.35"
