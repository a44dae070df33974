import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import BatchIterator, EvaluationWindows, Stream, TrainingWindows, VaryingWindows
from rnnjax.errors import UserError


@st.composite
def streams(draw, min_documents=1):
    lengths = draw(st.lists(st.integers(1, 12), min_size=min_documents, max_size=12))
    n = sum(lengths)
    # Every id says its own place, so that a batch shows where it was read.
    stream = Stream(np.arange(n, dtype=np.uint16), np.cumsum([0, *lengths[:-1]]))
    return stream


def as_arrays(steps):
    """[T][B] of (input, target, reset, mask) to the four arrays."""
    table = np.array(steps)
    inputs, targets, reset, mask = np.moveaxis(table, -1, 0)
    return {
        "inputs": inputs.astype(np.int32),
        "targets": targets.astype(np.int32),
        "reset": reset.astype(bool),
        "mask": mask.astype(bool),
    }


def assert_same(batch, expected):
    assert set(batch) == set(expected)
    for name in expected:
        assert batch[name].dtype == expected[name].dtype
        np.testing.assert_array_equal(batch[name], expected[name], err_msg=name)


def oracle(stream, batch_size, window, bptt, turn, n):
    """Window n of a pass, one step after the other in plain Python."""
    ids, starts = stream.ids.tolist(), set(stream.document_starts.tolist())
    total = len(ids)
    row_length = total // batch_size
    steps = []
    for t in range(bptt):
        rows = []
        for row in range(batch_size):
            place = (turn + row * row_length + n * window + t) % total
            following = (place + 1) % total
            first_of_pass = n == 0 and t == 0
            counted_before = n > 0 and t < bptt - window
            rows.append(
                (
                    ids[place],
                    ids[following],
                    place in starts or first_of_pass,
                    following not in starts and not counted_before,
                )
            )
        steps.append(rows)
    return as_arrays(steps)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_training_windows_against_a_python_loop(data):
    stream = data.draw(streams().filter(lambda s: len(s.ids) > len(s.document_starts)))
    total = len(stream.ids)
    batch_size = data.draw(st.integers(1, min(total, 4)))
    bptt = data.draw(st.integers(1, total // batch_size))
    window = data.draw(st.integers(1, bptt))
    windows = TrainingWindows(stream, batch_size=batch_size, window=window, bptt=bptt, seed=3)
    per_pass = windows.windows_per_pass
    row_length = total // batch_size
    # As many windows as fit: the last one ends inside the row, another would not.
    assert (per_pass - 1) * window + bptt <= row_length < per_pass * window + bptt
    for number in (0, 1, 5):
        turn = int(windows[number * per_pass]["inputs"][0, 0])
        for n in range(per_pass):
            expected = oracle(stream, batch_size, window, bptt, turn, n)
            assert_same(windows[number * per_pass + n], expected)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_evaluation_visits_every_target_once_in_order(data):
    stream = data.draw(streams().filter(lambda s: len(s.ids) > len(s.document_starts)))
    batch_size = data.draw(st.integers(1, len(stream.ids) + 2))
    window = data.draw(st.integers(1, len(stream.ids) + 2))
    batches = list(EvaluationWindows(stream, batch_size=batch_size, window=window))
    whole = {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}
    counted = whole["targets"].T[whole["mask"].T]
    starts = set(stream.document_starts.tolist())
    np.testing.assert_array_equal(counted, [i for i in stream.ids.tolist() if i not in starts])
    np.testing.assert_array_equal(
        whole["inputs"][whole["mask"]] + 1, whole["targets"][whole["mask"]]
    )
    for batch in batches:
        assert {k: v.dtype.name for k, v in batch.items()} == {
            "inputs": "int32", "targets": "int32", "reset": "bool", "mask": "bool",
        }  # fmt: skip
    # Before a target that counts lie, without a gap, all symbols since the last reset.
    assert whole["reset"][0].all()
    for row in range(batch_size):
        for t in np.flatnonzero(whole["mask"][:, row]):
            resets = whole["reset"][: t + 1, row]
            since = t - int(np.argmax(resets[::-1]))
            context = whole["inputs"][since : t + 1, row]
            np.testing.assert_array_equal(np.diff(context), 1)
            assert not starts.intersection(context[1:].tolist())


def test_rows_go_on_where_the_window_before_stopped():
    stream = Stream(np.arange(1000, dtype=np.uint16), np.array([0]))
    windows = TrainingWindows(stream, batch_size=3, window=10, bptt=25, seed=1)
    for n in range(windows.windows_per_pass - 1):
        now, then = windows[n], windows[n + 1]
        # The carry after `window` steps is the one the next window starts from.
        np.testing.assert_array_equal(now["inputs"][10:], then["inputs"][:15])
        np.testing.assert_array_equal(now["targets"][9], then["inputs"][0])


def test_a_pass_counts_every_step_once_where_windows_overlap():
    stream = Stream(np.arange(100, dtype=np.uint8), np.array([0]))
    windows = TrainingWindows(stream, batch_size=2, window=5, bptt=20, rotate=False)
    batches = [windows[n] for n in range(windows.windows_per_pass)]
    counted = np.concatenate([b["targets"][b["mask"]] for b in batches])
    np.testing.assert_array_equal(np.sort(counted), np.r_[1:51, 51:100])


def test_passes_turn_by_seed_and_pass_alone():
    stream = Stream(np.arange(500, dtype=np.uint16), np.array([0]))
    sizes = {"batch_size": 2, "window": 10}

    def turns(seed):
        windows = TrainingWindows(stream, seed=seed, **sizes)
        return [windows[n * windows.windows_per_pass]["inputs"][0, 0] for n in range(50)]

    assert turns(1) == turns(1)
    assert turns(1) != turns(2)
    assert len(set(turns(1))) > 40
    still = TrainingWindows(stream, rotate=False, **sizes)
    assert_same(still[3], still[3 + 7 * still.windows_per_pass])


@pytest.mark.parametrize(("num_symbols", "overlap"), [(5, True), (60, True), (64, False)])
def test_the_rows_of_a_short_text_overlap(num_symbols, overlap):
    ids = np.arange(num_symbols)
    windows = TrainingWindows(
        Stream(ids, np.array([0])), batch_size=4, window=16, seed=0, rotate=False
    )
    assert windows.rows_overlap == overlap
    assert windows.windows_per_pass == 1
    batch = windows[0]
    assert set(batch["inputs"].flat) == set(ids)
    np.testing.assert_array_equal(batch["targets"], (batch["inputs"] + 1) % num_symbols)
    np.testing.assert_array_equal(batch["inputs"][0], np.arange(4) * max(num_symbols // 4, 1))
    np.testing.assert_array_equal(batch["mask"], batch["targets"] != 0)


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ({"batch_size": 0, "window": 4}, "batch_size is 1 or more; got 0"),
        ({"batch_size": 1, "window": -1}, "window is 1 or more; got -1"),
        ({"batch_size": 1, "window": 4, "bptt": 3}, "bptt=3 must be at least window=4"),
    ],
)
def test_impossible_sizes_are_refused(sizes, named):
    with pytest.raises(UserError, match=named):
        TrainingWindows(Stream(np.zeros(100, np.uint8), np.array([0])), **sizes)


@pytest.mark.parametrize("windows", [TrainingWindows, EvaluationWindows])
def test_a_split_without_targets_is_refused(windows):
    with pytest.raises(UserError, match="nothing to predict"):
        windows(Stream(np.zeros(3, np.uint8), np.array([0, 1, 2])), batch_size=1, window=1)


@pytest.mark.parametrize("num_processes", [1, 2, 3, 4])
def test_processes_read_every_symbol_once_a_pass(num_processes):
    stream = Stream(np.arange(12 * 17, dtype=np.uint8), np.array([0]))
    windows = TrainingWindows(stream, batch_size=12, window=4, bptt=5, rotate=False)
    shares = np.array_split(np.arange(12), num_processes)
    readers = [BatchIterator(windows, rows) for rows in shares]
    seen = []
    for _ in range(windows.windows_per_pass):
        for reader, rows in zip(readers, shares, strict=True):
            batch = next(reader)
            assert batch["inputs"].shape == (5, len(rows))
            seen += batch["targets"][batch["mask"]].tolist()
    assert sorted(seen) == list(range(1, 12 * 17))


def test_windows_of_varying_length_follow_one_another_and_few_programs_hold_them():
    ids, starts = np.arange(4000, dtype=np.uint16), np.array([0, 1234])
    windows = VaryingWindows(Stream(ids, starts), batch_size=2, window=30, seed=4)
    lengths, place = [], None
    for n in range(2 * windows.windows_per_pass):
        batch = windows[n]
        (length,) = set(batch["lengths"].tolist())
        assert len(batch["inputs"]) in windows.buckets
        begins = n % windows.windows_per_pass == 0
        place = batch["inputs"][0].astype(int) if begins else place
        steps = (place + np.arange(length)[:, None]) % 4000
        np.testing.assert_array_equal(batch["inputs"][:length], steps)
        np.testing.assert_array_equal(batch["targets"][:length], (steps + 1) % 4000)
        np.testing.assert_array_equal(batch["mask"][:length], ~np.isin((steps + 1) % 4000, starts))
        np.testing.assert_array_equal(
            batch["reset"][:length],
            np.isin(steps, starts) | ((np.arange(length) == 0) & begins)[:, None],
        )
        assert not any(
            batch[name][length:].any() for name in ("inputs", "targets", "mask", "reset")
        )
        lengths.append(length)
        place = place + length
    assert len(windows.buckets) <= 4
    again = VaryingWindows(Stream(ids, starts), batch_size=2, window=30, seed=4)
    assert_same(again[77], windows[77])
    assert_same(windows.of_rows(np.array([1]))[77], {
        name: x[..., 1:] for name, x in windows[77].items()
    })  # fmt: skip


def test_the_lengths_of_windows_have_the_distribution_of_merity_2018():
    """30 + 5 n, or 15 + 5 n with probability 0.05: 0.05 + 0.95 Phi(1) = 0.85 lie below 35."""
    windows = VaryingWindows(Stream(np.arange(90000) % 251, np.array([0])), batch_size=1, window=30)
    drawn = np.array([windows[n]["lengths"][0] for n in range(3000)])
    assert abs(drawn.mean() - (0.95 * 30 + 0.05 * 15)) < 0.5
    assert abs(np.mean(drawn <= 35) - 0.85 - 0.01) < 0.025
    assert 0.03 < (drawn < 20).mean() < 0.08
    assert drawn.min() >= 5
    assert drawn.max() <= 45
