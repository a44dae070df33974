"""Metrics in words."""

from rnnjax.training.reporting.progress import describe


def test_numbers_are_written_as_people_write_them():
    metrics = {"count": 46503.0, "f1": 0.65432, "loss": 0.693147, "reward": -1234.5}
    assert describe(metrics, "char") == (
        "loss 0.6931 nats/char (1.0000 bits), count 46,503, f1 0.6543, reward -1234"
    )
    assert describe({"loss": 12.3456}, "") == "loss 12.35"
