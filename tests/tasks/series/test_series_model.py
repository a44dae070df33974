"""The network of series: losses against sums by hand, and padding that changes nothing."""

import jax
import numpy as np
import pytest
from flax import nnx

from rnnjax.errors import UserError
from rnnjax.tasks.series.config import SeriesConfig
from rnnjax.tasks.series.scaling import Scaling
from rnnjax.tasks.series.series_model import SeriesModel, batch_loss, make_model

RNG = np.random.default_rng(0)
OF_TARGET = Scaling(("x", "y"), "y", (), (1.0, 2.0), (3.0, 4.0))
OF_OTHERS = Scaling(("x", "z"), "y", (), (1.0, 5.0, 2.0), (3.0, 1.0, 4.0))
OF_CLASSES = Scaling(("x", "y"), "", ("a", "b", "c"), (1.0, 2.0), (3.0, 4.0))
CONFIG = SeriesConfig(hidden_size=8, window=5, horizon=2, batch_size=4, num_buckets=2)


def made(scaling):
    return SeriesModel(make_model(CONFIG, scaling), scaling, CONFIG)


def scaled_by_hand(values):
    return ((values - np.array([1, 2])) / np.array([3, 4])).astype(np.float32)


def test_a_forecast_is_the_change_from_the_last_value_in_units_of_the_target():
    series = RNG.normal(size=(9, 2))
    model = made(OF_TARGET)
    change = np.asarray(model.model(scaled_by_hand(series)[-5:, None]))[0]
    expected = series[-1, 1] + 4 * change
    np.testing.assert_allclose(model.forecast(series), expected, rtol=1e-5, atol=1e-5)


def test_without_the_target_among_the_inputs_a_forecast_is_what_the_network_says():
    series = RNG.normal(size=(5, 2))
    model = made(OF_OTHERS)
    scaled = ((series - [1, 5]) / [3, 1]).astype(np.float32)
    expected = 2 + 4 * np.asarray(model.model(scaled[:, None]))[0]
    np.testing.assert_allclose(model.forecast(series), expected, rtol=1e-5, atol=1e-5)


def test_each_series_gets_the_class_that_it_has_unpadded_and_alone():
    every = [RNG.normal(size=(length, 2)) for length in (3, 11, 4, 7, 1, 11, 2)]
    model = made(OF_CLASSES)
    found = model.classify(every)
    for series, row in zip(every, found, strict=True):
        logits = np.asarray(model.model(scaled_by_hand(series)[:, None]), np.float64)[0]
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-6)


def test_the_loss_counts_known_targets_of_real_rows():
    model = made(OF_TARGET)
    values = RNG.normal(size=(5, 3, 2)).astype(np.float32)
    target = np.array([[1, np.nan], [0.5, -1], [9, 9]], np.float32)
    batch = {"values": values, "target": target, "lengths": np.array([5, 5, 0], np.int32)}
    loss = batch_loss(OF_TARGET, model.model, batch, None)
    forecast = np.asarray(model.model(values)) + values[-1, :, 1:]
    errors = np.array([forecast[0, 0] - 1, forecast[1, 0] - 0.5, forecast[1, 1] + 1])
    assert int(loss.count) == 3
    np.testing.assert_allclose(loss.total, (errors**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(loss.metrics["mae"], 4 * np.abs(errors).sum(), rtol=1e-5)
    gradient = nnx.grad(lambda m: batch_loss(OF_TARGET, m, batch, None).total)(model.model)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize(
    ("scaling", "call", "words"),
    [
        (OF_TARGET, lambda m: m.forecast(np.zeros((4, 2))), "has 4 rows: expected 5 or more"),
        (OF_TARGET, lambda m: m.forecast(np.zeros((9, 3))), r"\[T, 2\] \(x, y\); got \[9, 3\]"),
        (OF_TARGET, lambda m: m.forecast(np.full((9, 2), np.inf)), "a value is infinite"),
        (OF_TARGET, lambda m: m.classify([np.zeros((9, 2))]), "trained to forecast"),
        (OF_CLASSES, lambda m: m.forecast(np.zeros((9, 2))), "trained to classify"),
        (OF_CLASSES, lambda m: m.classify([np.zeros((9, 2)), np.zeros(3)]), "series 1: expected"),
        (OF_CLASSES, lambda m: m.classify([np.zeros((0, 2))]), "series 0: expected"),
    ],
)
def test_arrays_of_another_form_are_refused(scaling, call, words):
    with pytest.raises(UserError, match=words):
        call(made(scaling))
