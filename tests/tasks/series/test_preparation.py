"""Windows, units and missing values, against plain loops; and what training may not see."""

import jax
import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.series.config import SeriesConfig
from rnnjax.tasks.series.preparation import examples_of, prepare
from rnnjax.tasks.series.scaling import Scaling


def saved(folder, values, missing=()):
    lines = [[str(x) for x in row] for row in values]
    for row, column in missing:
        lines[row][column] = ""
    path = folder / "data.csv"
    path.write_text("x,y\n" + "\n".join(map(",".join, lines)))
    return str(path)


def drawn(count=40):
    return np.random.default_rng(0).normal(5, 3, (count, 2)).round(2)


def with_data(path, **changed):
    return SeriesConfig(**{"window": 4, "horizon": 2, "batch_size": 3, "data": path, **changed})


def in_plain_loops(values, first, end, window, horizon, split_end):
    """All windows of a split: what is read and what is to be forecast, in units of the training."""
    mean, std = values[:split_end].mean(axis=0), values[:split_end].std(axis=0)
    scaled = (values - mean) / std
    found = []
    for row in range(first, end):
        if row - window >= 0 and row + horizon <= end:
            past = [scaled[n] for n in range(row - window, row)]
            found.append((past, [scaled[n, 1] for n in range(row, row + horizon)]))
    return found


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_windows_of_each_split_are_those_of_a_plain_loop(tmp_path, horizon):
    values = drawn()
    config = with_data(saved(tmp_path, values), horizon=horizon)
    prepared = prepare(config)
    for split, (first, end) in {"train": (0, 28), "validation": (28, 34), "test": (34, 40)}.items():
        examples = examples_of(prepared.splits[split], prepared.vocabulary, config, split)
        expected = in_plain_loops(values, first, end, 4, horizon, 28)
        assert examples.size == len(expected) > 0
        for n, (past, target) in enumerate(expected):
            np.testing.assert_allclose(examples.get(n)["values"], past, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(examples.get(n)["target"], target, rtol=1e-5, atol=1e-6)


def all_training_sees(path):
    prepared = prepare(with_data(path))
    epoch = [prepared.batches[n] for n in range(prepared.batches.batches_per_epoch)]
    return prepared.vocabulary, epoch, prepared.digest


def test_what_comes_after_the_training_rows_changes_nothing_that_training_sees(tmp_path):
    """Neither batches nor units; and what comes after validation is not in its batches either."""
    values = drawn()
    scaling, epoch, digest = all_training_sees(saved(tmp_path, values))
    validation = list(prepare(with_data(saved(tmp_path, values))).validation)
    changed = values.copy()
    changed[34:] = 1000
    path = saved(tmp_path, changed, missing=[(35, 0)])
    same_scaling, same_epoch, same_digest = all_training_sees(path)
    assert (same_scaling, same_digest) == (scaling, digest)
    jax.tree.map(np.testing.assert_array_equal, same_epoch, epoch)
    jax.tree.map(np.testing.assert_array_equal, list(prepare(with_data(path)).validation),
                 validation)  # fmt: skip
    changed[28:] = 1000
    same_scaling, same_epoch, other_digest = all_training_sees(saved(tmp_path, changed))
    assert same_scaling == scaling
    assert other_digest != digest
    jax.tree.map(np.testing.assert_array_equal, same_epoch, epoch)
    changed[27] = 1000
    assert all_training_sees(saved(tmp_path, changed))[0] != scaling


def test_a_missing_value_is_the_one_before_and_at_the_beginning_the_mean(tmp_path):
    values = drawn()
    missing = [(0, 0), (1, 0), (9, 0), (10, 0), (12, 1)]
    prepared = prepare(with_data(saved(tmp_path, values, missing)))
    assert "5 missing values filled" in prepared.description
    known = np.delete(values[:28, 0], [0, 1, 9, 10])
    (series,) = prepared.splits["train"]
    read = prepared.vocabulary.read(series.values)
    expected = values.copy()
    expected[:2, 0] = known.mean()
    expected[9:11, 0] = values[8, 0]
    expected[12, 1] = values[11, 1]
    np.testing.assert_allclose(
        read[:, 0], (expected[:, 0] - known.mean()) / known.std(), rtol=1e-4, atol=1e-5
    )
    y = np.delete(values[:28, 1], 12)
    np.testing.assert_allclose(read[12, 1], (values[11, 1] - y.mean()) / y.std(), rtol=1e-5)
    windows = examples_of([series], prepared.vocabulary, with_data(""), "train")
    assert np.isnan(windows.get(12 - 4)["target"]).tolist() == [True, False]


def test_a_constant_column_is_zero(tmp_path):
    values = drawn()
    values[:, 0] = 0.1
    prepared = prepare(with_data(saved(tmp_path, values)))
    assert np.abs(prepared.vocabulary.read(values)[:, 0]).max() < 1e-12


def test_a_value_of_the_target_comes_back_from_its_unit():
    scaling = Scaling(("x",), "y", (), (2.0, -3.0), (1.0, 4.0))
    assert scaling.in_units(np.array([0.5])).tolist() == [-1.0]
    assert Scaling.from_json(scaling.to_json()) == scaling


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (8, "too short: 5 of 8 rows are for the train split; expected 4 rows of the past"),
        (12, "too short: 2 of 12 rows are for the validation"),
    ],
)
def test_a_file_that_is_too_short_is_named(tmp_path, count, words):
    horizon = 2 if count == 8 else 3
    with pytest.raises(UserError, match=words):
        prepare(with_data(saved(tmp_path, drawn(count)), horizon=horizon))


def test_a_split_without_a_value_to_forecast_is_named(tmp_path):
    path = saved(tmp_path, drawn(), missing=[(row, 1) for row in range(34, 40)])
    with pytest.raises(UserError, match="the test split has no value to forecast in 'y'"):
        prepare(with_data(path))
    with pytest.raises(UserError, match=r"data.csv:2: none of 1 rows is for training"):
        prepare(with_data(saved(tmp_path, drawn(1))))


def test_a_column_without_a_value_in_the_training_rows_is_named(tmp_path):
    path = saved(tmp_path, drawn(), missing=[(row, 0) for row in range(28)])
    with pytest.raises(UserError, match="the training split has no value in the column 'x'"):
        prepare(with_data(path))
