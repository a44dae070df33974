"""Every example in its place, in batches that an index decides; the three common kinds of tasks."""

import collections
import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data.batch_iterator import BatchIterator
from rnnjax.data.padded_batches import (
    FILLER,
    EvaluationBatches,
    Examples,
    Ragged,
    TrainingBatches,
    in_order,
)
from rnnjax.errors import UserError


def example(n, length):
    """Two ragged fields and a fixed one, of which every number is told from every other one."""
    letters = np.arange(100 * n, 100 * n + 2 * length, dtype=np.int16).reshape(length, 2)
    return {"words": letters[:, 0].astype(np.int32) + 1, "letters": letters + 1,
            "label": np.array([n + 1, -n], np.float32)}  # fmt: skip


def examples(lengths, buckets, draw=None):
    rows = [example(n, length) for n, length in enumerate(lengths)]
    ragged = {"lengths": Ragged(["words", "letters"], np.array(lengths), buckets)}
    return Examples(rows.__getitem__, len(rows), ragged, draw, "sentence", "a.conll:{}".format)


def zeros_in(batches, field):
    """The share of 0, which stands at padding alone."""
    return np.concatenate([batch[field].ravel() == 0 for batch in batches]).mean()


def held(batch, lengths, batch_size):
    """Checks every place of a batch; returns the examples that it holds."""
    length = len(batch["words"])
    assert {name: (values.dtype.name, values.shape) for name, values in batch.items()} == {
        "words": ("int32", (length, batch_size)),
        "letters": ("int16", (length, batch_size, 2)),
        "label": ("float32", (batch_size, 2)),
        "lengths": ("int32", (batch_size,)),
        **({"indices": ("int32", (batch_size,))} if "indices" in batch else {}),
    }
    found = []
    for row, label in enumerate(batch["label"][:, 0].astype(int).tolist()):
        n = label - 1 if label else FILLER
        size = batch["lengths"][row]
        assert size == (0 if n == FILLER else lengths[n])
        for name, values in example(n, size).items() if n != FILLER else ():
            inside = batch[name][row] if name == "label" else batch[name][:size, row]
            np.testing.assert_array_equal(inside, values)
        assert not batch["words"][size:, row].any()
        assert not batch["letters"][size:, row].any()
        if "indices" in batch:
            assert batch["indices"][row] == n
        found += [n] * (n != FILLER)
    return found


def assert_same(batch, other):
    assert set(batch) == set(other)
    for name in batch:
        np.testing.assert_array_equal(batch[name], other[name], err_msg=name)


def order(batches, epoch):
    count = batches.batches_per_epoch
    return [batches[epoch * count + n]["label"][:, 0].tolist() for n in range(count)]


cases = st.tuples(
    st.lists(st.integers(1, 9), min_size=6, max_size=40),
    st.integers(1, 6),
    st.sets(st.integers(1, 8), max_size=4).map(lambda some: [*sorted(some), 9]) | st.none(),
)


@settings(max_examples=80)
@given(cases, st.integers(0, 3), st.booleans())
def test_an_epoch_holds_every_example_in_its_place(case, epoch, full_only):
    lengths, batch_size, buckets = case
    batches = TrainingBatches(
        examples(lengths, buckets), batch_size=batch_size, full_only=full_only
    )
    count = batches.batches_per_epoch
    padded_to = {}
    seen = collections.Counter()
    for n in range(epoch * count, (epoch + 1) * count):
        rows = held(batches[n], lengths, batch_size)
        assert rows
        assert ("indices" in batches[n]) != full_only
        seen.update(rows)
        padded_to.update(dict.fromkeys(rows, len(batches[n]["words"])))
    assert max(seen.values()) == 1
    buckets = buckets or [max(lengths)]
    assert set(padded_to.values()) <= set(buckets)
    if not full_only:
        assert padded_to == {
            n: min(b for b in buckets if b >= length) for n, length in enumerate(lengths)
        }
        return
    assert len(lengths) - len(seen) < batch_size * len(buckets)
    assert all(n % batch_size == 0 for n in collections.Counter(padded_to.values()).values())
    for (a, to_a), (b, to_b) in itertools.permutations(padded_to.items(), 2):
        assert to_a <= to_b or lengths[a] >= lengths[b]


@settings(max_examples=60)
@given(cases)
def test_evaluation_holds_every_example_once_and_results_come_back_in_order(case):
    lengths, batch_size, buckets = case
    every = examples(lengths, buckets)
    batches = EvaluationBatches(every, batch_size=batch_size)
    assert len(list(batches)) == len(batches)
    seen = [n for batch in batches for n in held(batch, lengths, batch_size)]
    assert [lengths[n] for n in seen] == (sorted(lengths) if buckets else lengths)
    for field, of in (("words", "lengths"), ("letters", "lengths"), ("label", None)):
        found = in_order(reversed([(batch, batch[field]) for batch in batches]), of)
        for n, values in enumerate(found):
            np.testing.assert_array_equal(values, every.get(n)[field])
        assert len(found) == len(lengths)


def test_evaluation_ends():
    batches = EvaluationBatches(examples([3, 2, 1], [3]), batch_size=2)
    assert len(batches) == 2
    for index in (2, -1):
        with pytest.raises(IndexError):
            batches[index]


def test_examples_that_wait_have_their_turn_in_another_epoch():
    batches = TrainingBatches(examples([3] * 7 + [9] * 4, [3, 9]), batch_size=3, full_only=True)
    epochs = {frozenset(itertools.chain(*order(batches, epoch))) for epoch in range(12)}
    assert frozenset.union(*epochs) == set(range(1, 12))
    assert {len(epoch) for epoch in epochs} == {9}
    assert len(epochs) > 4


@pytest.mark.parametrize(
    ("lengths", "padded"),
    [([2, 2, 5, 5, 5, 9], [9, 9]), ([2, 2, 5, 5, 5, 9, 9, 9], [5, 9]), ([2, 2, 2], [2])],
)
def test_a_bucket_that_fills_no_batch_is_padded_further(lengths, padded):
    batches = TrainingBatches(examples(lengths, [2, 5, 9]), batch_size=3, full_only=True)
    shown = [batches[n] for n in range(batches.batches_per_epoch)]
    assert sorted(len(batch["words"]) for batch in shown) == padded
    for batch in shown:
        held(batch, lengths, 3)


def test_a_batch_that_is_larger_than_the_data_is_told_of(caplog):
    TrainingBatches(examples([2, 3], [4]), batch_size=2)
    assert not caplog.text
    TrainingBatches(examples([2, 3], [4]), batch_size=3)
    assert "a batch has 3 rows, and there are 2 sentences for training: the other" in caplog.text


def test_examples_longer_than_the_last_bucket_are_never_cut(caplog):
    lengths = [2, 11, 3]
    for kind in (EvaluationBatches, TrainingBatches):
        caplog.clear()
        batches = kind(examples(lengths, [2, 4]), batch_size=2)
        assert "1 of 3 sentences are longer than 4 tokens" in caplog.text
        assert "the longest, a.conll:1, has 11" in caplog.text
        shown = [batches[n] for n in range(3)]
        assert sorted(len(batch["words"]) for batch in shown) == [2, 4, 16]
        assert sorted(n for batch in shown for n in held(batch, lengths, 2)) == [0, 1, 2]


def test_long_examples_may_share_a_batch_with_fewer():
    lengths = [2, 11, 3, 12, 13, 40]
    batches = EvaluationBatches(examples(lengths, [2, 4]), batch_size=8, fewer_long=True)
    shapes = [batch["words"].shape for batch in batches]
    assert shapes == [(2, 8), (4, 8), (16, 2), (16, 2), (64, 1)]
    shown = [n for batch in batches for n in held(batch, lengths, batch["words"].shape[1])]
    assert sorted(shown) == list(range(6))


@pytest.mark.parametrize("full_only", [False, True])
@pytest.mark.parametrize("buckets", [[2, 5], None])
def test_the_batch_is_a_function_of_seed_and_index(buckets, full_only):
    lengths = [1 + n % 5 for n in range(60)]

    def make(seed):
        every = examples(lengths, buckets)
        return TrainingBatches(every, batch_size=4, seed=seed, full_only=full_only)

    orders = [order(make(seed), epoch) for seed in (1, 2, -1) for epoch in (0, 1, 2)]
    assert order(make(1), 0) == orders[0]
    assert all(a != b for a, b in itertools.combinations(orders, 2))
    # Batches of the buckets are mixed, and so are the examples within a bucket.
    straight = make(1)
    expected = [straight[n] for n in range(3 * straight.batches_per_epoch)]
    steps = [len(batch["words"]) for batch in expected]
    assert sum(a != b for a, b in itertools.pairwise(steps)) > 8 if buckets else set(steps) == {5}
    assert sum(rows == sorted(rows) for rows in orders[0]) < 5
    # From any thread and in any order.
    places = np.random.default_rng(0).permutation(len(expected)).tolist()
    with ThreadPoolExecutor(4) as pool:
        for n, batch in zip(places, pool.map(make(1).__getitem__, places), strict=True):
            assert_same(batch, expected[n])


LENGTHS = [3] * 12 + [4] * 12
"""Of examples that `reverse` makes versions of."""


def reverse(index, rng):
    """Backwards, half of the time; then sometimes twice as long."""
    drawn = example(index, LENGTHS[index])
    if rng.random() < 0.5:
        times = 2 if rng.random() < 0.5 else 1
        for name in ("words", "letters"):
            drawn[name] = np.concatenate([drawn[name][::-1]] * times)
    return drawn


def test_versions_are_drawn_anew_in_every_epoch():
    batches = TrainingBatches(examples(LENGTHS, [6], reverse), batch_size=4)
    seen = {n: [] for n in range(24)}
    for n in range(20 * batches.batches_per_epoch):
        batch = batches[n]
        for row, index in enumerate(batch["indices"].tolist()):
            words = batch["words"][: batch["lengths"][row], row].tolist()
            straight = example(index, LENGTHS[index])["words"].tolist()
            # Twice 3 fills the bucket; what is twice 4 stays as it was.
            allowed = [straight, straight[::-1], straight[::-1] * 2][: 6 - LENGTHS[index]]
            seen[index].append(allowed.index(words))
    assert all(len(of_one) == 20 and 5 < of_one.count(0) < 20 for of_one in seen.values())
    assert {version for of_one in seen.values() for version in of_one} == {0, 1, 2}
    # Each example has random numbers of its own.
    assert len(set(map(tuple, seen.values()))) > 20
    for batch in EvaluationBatches(examples(LENGTHS, [6], reverse), batch_size=4):
        held(batch, LENGTHS, 4)


@pytest.mark.parametrize("num_processes", [1, 2, 3, 12])
@pytest.mark.parametrize("full_only", [False, True])
def test_processes_make_the_rows_of_the_whole_batches(num_processes, full_only):
    lengths = [1, 2, 2, 3, 3, 3, 4, 5, 6, 6, 7] * 5
    batches = TrainingBatches(examples(lengths, [3, 7]), batch_size=12, seed=2, full_only=full_only)
    shares = np.array_split(np.arange(12), num_processes)
    readers = [BatchIterator(batches, rows) for rows in shares]
    for n in range(2 * batches.batches_per_epoch):
        whole, parts = batches[n], [next(reader) for reader in readers]
        for part, rows in zip(parts, shares, strict=True):
            held(part, lengths, len(rows))
        for name, values in whole.items():
            axis = 1 if name in ("words", "letters") else 0
            joined = np.concatenate([part[name] for part in parts], axis)
            np.testing.assert_array_equal(joined, values)


@pytest.mark.parametrize("kind", [EvaluationBatches, TrainingBatches])
def test_impossible_batches_are_refused(kind):
    with pytest.raises(UserError, match="batch_size is 1 or more; got 0"):
        kind(examples([3], [3]), batch_size=0)
    with pytest.raises(UserError, match="there are no sentences to make batches of"):
        kind(examples([], [3]), batch_size=1)
    with pytest.raises(UserError, match="2 sentences are too few for a batch of 3: choose a small"):
        TrainingBatches(examples([3, 3], [3]), batch_size=3, full_only=True)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 30)), min_size=4, max_size=60),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from([(5, 10, 20), None]),
)
def test_parallel_text(sizes, batch_size, full_only, grid):
    """The source decides the bucket; the target is padded as a whole batch of all rows needs it."""
    rows = [
        {"source": np.full(s, n + 1), "target": np.full((t, 2), n + 1)}
        for n, (s, t) in enumerate(sizes)
    ]
    source, target = np.array(sizes).T
    ragged = {
        "source_lengths": Ragged(["source"], source, (4, 20)),
        "target_lengths": Ragged(["target"], target, grid),
    }
    every = Examples(rows.__getitem__, len(rows), ragged)
    batches = TrainingBatches(every, batch_size=batch_size, full_only=full_only)
    part = batches.of_rows(np.arange(batch_size - 1, batch_size))
    shapes = set()
    for n in range(2 * batches.batches_per_epoch):
        batch = batches[n]
        to = len(batch["source"]), len(batch["target"])
        assert batch["target"].shape[1:] == (batch_size, 2)
        shapes.add(to)
        for row, which in enumerate((batch["source"][0] - 1).tolist()):
            s, t = sizes[which] if which != FILLER else (0, 0)
            assert (batch["source_lengths"][row], batch["target_lengths"][row]) == (s, t)
            assert batch["source"][:, row].tolist() == [which + 1] * s + [0] * (to[0] - s)
            assert batch["target"][:, row, 1].tolist() == [which + 1] * t + [0] * (to[1] - t)
        longest = batch["target_lengths"].max()
        bounds = (*grid, 40) if grid else (max(target),)
        assert to[1] == min(bound for bound in bounds if bound >= longest)
        np.testing.assert_array_equal(part[n]["target"], batch["target"][:, -1:])
    assert len(shapes) <= 2 * (4 if grid else 1)
    translated = [(b, b["target"]) for b in EvaluationBatches(every, batch_size=batch_size)]
    for row, found in zip(rows, in_order(translated, "target_lengths"), strict=True):
        np.testing.assert_array_equal(found, row["target"])


def test_images_with_a_label():
    images = np.arange(10 * 784, dtype=np.float32).reshape(10, 784, 1)
    rows = [{"inputs": images[n], "label": np.int32(n)} for n in range(10)]
    every = Examples(rows.__getitem__, len(rows), noun="image")
    batches = TrainingBatches(every, batch_size=4, full_only=True)
    assert batches.batches_per_epoch == 2
    seen = [batches[n] for n in range(2)]
    for batch in seen:
        assert set(batch) == {"inputs", "label"}
        np.testing.assert_array_equal(batch["inputs"], images[batch["label"]])
    assert len({n for batch in seen for n in batch["label"].tolist()}) == 8
    judged = list(EvaluationBatches(every, batch_size=4))
    assert [batch["indices"].tolist() for batch in judged] == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, FILLER, FILLER],
    ]  # fmt: skip
    assert not judged[2]["inputs"][2:].any()
    np.testing.assert_array_equal(in_order([(b, b["inputs"]) for b in judged], None), images)


def test_a_pool_sorts_the_second_lengths_and_pads_them_less():
    """Pools of 3 batches: of each bucket's shuffled examples, every 12 in a row are sorted."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(1, 9, 200), rng.integers(1, 33, 200)
    given = Examples(
        lambda n: {"source": np.full(first[n], n + 1), "target": np.full(second[n], n + 1)},
        200,
        {
            "source_lengths": Ragged(["source"], first, [4, 8]),
            "lengths": Ragged(["target"], second, [*range(4, 33, 4)]),
        },
    )
    every, shares = [], []
    for pool in (1, 3):
        batches = TrainingBatches(given, batch_size=4, pool=pool)
        epoch = [batches[n] for n in range(batches.batches_per_epoch)]
        every.append(sorted(n for batch in epoch for n in batch["indices"].tolist() if n >= 0))
        shares.append(batches.padding_share("target"))
        for field in ("source", "target"):
            assert batches.padding_share(field) == pytest.approx(zeros_in(epoch, field))
    assert every == [[*range(200)]] * 2
    assert shares[1] < shares[0] - 0.1
    sorted_rows = [batch["lengths"][batch["indices"] >= 0] for batch in epoch]
    assert all((np.diff(rows) >= 0).all() for rows in sorted_rows)
    order = {len(batch["source"]): [] for batch in epoch}
    plain = TrainingBatches(given, batch_size=12)
    for n in range(plain.batches_per_epoch):
        batch = plain[n]
        rows = batch["indices"][batch["indices"] >= 0]
        order[len(batch["source"])].append(set(rows.tolist()))
    for batch in epoch:
        rows = set(batch["indices"][batch["indices"] >= 0].tolist())
        assert sum(rows <= pool for pool in order[len(batch["source"])]) == 1
