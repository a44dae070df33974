"""Examples of any arrays in padded batches: shuffled for training, each once for evaluation."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnjax.data.batch_iterator import Batch, EndlessBatches
from rnnjax.data.buckets import bucket_of, deal, with_full_batches
from rnnjax.errors import UserError, check_at_least

Example = Mapping[str, np.ndarray]

_log = logging.getLogger(__name__)

FILLER = -1
"""Index of a row that holds no example."""


class Ragged(NamedTuple):
    """Fields of examples that have one first axis, time, of another length in each example.

    Attributes:
        buckets: lengths to pad to, ascending; see `bucket_lengths`. What is longer is padded to
            twice, four times, ... the last. None: everything is padded to the longest.
    """

    fields: Sequence[str]
    lengths: np.ndarray
    buckets: Sequence[int] | None = None


class Examples(NamedTuple):
    """Examples of named arrays, by index.

    Attributes:
        get: gives the arrays of an example, ``(index) -> {name: array}``.
        ragged: the fields that are padded, under the name that their lengths have in a batch. The
            first decides which bucket an example is in; any other is padded to its smallest bucket
            that holds a whole batch. All other fields have the same shape in every example.
        draw: makes a version of an example, anew in every epoch of training, with a random
            generator of its own: ``(index, rng) -> {name: array}``. Where that does not fit into
            the bucket, the example stays as it is.
        noun, name_of: what messages call an example, and the one at an index.
    """

    get: Callable[[int], Example]
    size: int
    ragged: Mapping[str, Ragged] = {}
    draw: Callable[[int, np.random.Generator], Example] | None = None
    noun: str = "example"
    name_of: Callable[[int], str] = lambda n: f"number {n + 1}"

    @property
    def buckets(self) -> Sequence[int] | None:
        """The lengths of the first ragged fields."""
        return next(iter(self.ragged.values())).buckets if self.ragged else None

    def deal(self) -> dict[int, np.ndarray]:
        """{length of a bucket: the indices of its examples}, see `buckets.deal`."""
        if not self.size:
            raise UserError(f"there are no {self.noun}s to make batches of")
        every = np.arange(self.size)
        dealt = [
            {int(max(lengths)): every}
            if buckets is None
            else deal(lengths, buckets, self.noun, self.name_of)
            for _, lengths, buckets in self.ragged.values()
        ]
        return dealt[0] if dealt else {0: every}

    def batch(
        self, bucket: int, indices: np.ndarray, rows: np.ndarray, seed: Sequence[int] | None = None
    ) -> Batch:
        """Makes some rows of a batch.

        Args:
            indices: of the examples of its first rows; the other rows are filler.
            seed: of the versions that are drawn; None: the examples stay as they are.
        """
        padded_to = self.padded_to(bucket, indices)
        kept = indices[rows[rows < len(indices)]]
        examples = [self._version(index, padded_to, seed) for index in kept.tolist()]
        batch = {name: np.zeros(len(rows), np.int32) for name in self.ragged}
        for name, part in self.ragged.items():
            batch[name][: len(kept)] = [len(example[part.fields[0]]) for example in examples]
        for field, like in (examples[0] if examples else self.get(int(indices[0]))).items():
            arrays = [example[field] for example in examples]
            if field in padded_to:
                batch[field] = pad(arrays or [like[:0]], padded_to[field], len(rows))
            else:
                batch[field] = np.zeros((len(rows), *like.shape), like.dtype)
                for row, values in enumerate(arrays):
                    batch[field][row] = values
        batch["indices"] = np.full(len(rows), FILLER, np.int32)
        batch["indices"][: len(kept)] = kept
        return batch

    def padded_to(self, bucket: int, indices: np.ndarray) -> dict[str, int]:
        """The lengths T of the ragged fields of a batch, by name; arguments as for `batch`."""
        padded_to: dict[str, int] = {}
        for fields, lengths, buckets in self.ragged.values():
            if padded_to:
                bucket = bucket_of(lengths[indices].max(), buckets or (lengths.max(),))
            padded_to.update(dict.fromkeys(fields, bucket))
        return padded_to

    def _version(
        self, index: int, padded_to: Mapping[str, int], seed: Sequence[int] | None
    ) -> Example:
        if self.draw is not None and seed is not None:
            drawn = self.draw(index, np.random.default_rng([*seed, index]))
            if all(len(drawn[field]) <= length for field, length in padded_to.items()):
                return drawn
        return self.get(index)


class TrainingBatches(EndlessBatches):
    """Shuffled batches of examples of about the same length.

    In every epoch the examples of a bucket are shuffled and cut into batches of B rows; then the
    batches are shuffled, if there are buckets. With a pool of P batches, each P B shuffled examples
    of a bucket are sorted by their second lengths before they are cut, so that the second ragged
    fields of a batch are of about the same length too. The batch at an index is a function of the
    index, and an index is all there is to a position in the data.

    A batch is a dict, with T the length of a bucket and 0 at padding:
        each ragged field: [T, B, ...].
        each other field: [B, ...].
        lengths, or as `Examples.ragged` calls them: int32 [B], 0 in a filler row; unless the
            examples have a field of that name.
        indices: int32 [B], which example a row holds; FILLER in a filler row. Not where all batches
            are full.
    """

    def __init__(
        self,
        examples: Examples,
        *,
        batch_size: int,
        seed: int = 0,
        full_only: bool = False,
        pool: int = 1,
    ):
        """Deals the examples to their buckets.

        Args:
            batch_size: B, rows.
            seed: of the order, and of the versions of examples.
            full_only: False: an epoch holds every example once, and the last batch of a bucket is
                filled up with rows of zeros. True: examples that fill no batch go one bucket up,
                and the last few of each bucket wait for another epoch.
            pool: P, batches among which examples are sorted by their second lengths.

        Raises:
            UserError: there are too few examples, or the sizes make no sense.
        """
        super().__init__(batch_size, seed)
        check_at_least(1, pool=pool)
        self.time_major = [name for part in examples.ragged.values() for name in part.fields]
        self._examples, self._full_only, self._pool = examples, full_only, pool
        if full_only and examples.size < batch_size:
            raise UserError(
                f"{examples.size} {examples.noun}s are too few for a batch of {batch_size}: "
                f"choose a smaller batch_size"
            )
        if examples.size < batch_size:
            _log.warning(
                "a batch has %d rows, and there are %d %ss for training: the other rows are empty",
                batch_size,
                examples.size,
                examples.noun,
            )
        self._dealt = examples.deal()
        if full_only:
            self._dealt = with_full_batches(self._dealt, batch_size)
        self.batches_per_epoch = len(self._plan(0))

    def __getitem__(self, index: int) -> Batch:
        """The batch at an index, 0 <= index."""
        epoch, n = divmod(int(index), self.batches_per_epoch)
        bucket, indices = self._plan(epoch)[n]
        batch = self._examples.batch(bucket, indices, self._rows, [self._seed, epoch])
        if self._full_only:
            del batch["indices"]
        return batch

    def padding_share(self, field: str) -> float:
        """The share of all positions of a ragged field that are padding, in the first epoch.

        Counted by the lengths of the examples as they are, also where versions are drawn.
        """
        plan, ragged = self._plan(0), self._examples.ragged.values()
        lengths = next(part.lengths for part in ragged if field in part.fields)
        held = sum(lengths[indices].sum() for _, indices in plan)
        steps = sum(self._examples.padded_to(*planned)[field] for planned in plan)
        return 1 - float(held) / (steps * self._batch_size)

    def _make_plan(self, epoch: int) -> list[tuple[int, np.ndarray]]:
        rng = np.random.default_rng([self._seed, epoch])
        shuffled = {bucket: rng.permutation(indices) for bucket, indices in self._dealt.items()}
        plan = []
        for bucket, pool in _cut(shuffled, self._pool * self._batch_size):
            if self._pool > 1 and len(self._examples.ragged) > 1:
                second = [*self._examples.ragged.values()][1].lengths
                pool = pool[np.argsort(second[pool], kind="stable")]
            plan += _cut({bucket: pool}, self._batch_size)
        if self._full_only:
            plan = [planned for planned in plan if len(planned[1]) == self._batch_size]
        if self._examples.buckets is None:
            return plan
        return [plan[n] for n in rng.permutation(len(plan))]


class EvaluationBatches:
    """Batches that hold every example exactly once, the short ones first.

    Batches as in `TrainingBatches`. `in_order` puts what a model makes of them in the order of the
    examples.
    """

    def __init__(self, examples: Examples, *, batch_size: int, fewer_long: bool = False):
        """Deals the examples to their buckets.

        Args:
            examples: a split, or what a model shall be asked about.
            batch_size: B, rows.
            fewer_long: batches of examples longer than the last bucket have fewer rows, so that
                none has more positions than one of the last bucket, or one row.

        Raises:
            UserError: there are no examples, or the sizes make no sense.
        """
        check_at_least(1, batch_size=batch_size)
        self._examples = examples
        last = examples.buckets[-1] if fewer_long and examples.buckets else 0
        self._plan = [
            (*planned, rows)
            for bucket, indices in examples.deal().items()
            for rows in [max(1, batch_size * last // max(bucket, last)) if last else batch_size]
            for planned in _cut({bucket: indices}, rows)
        ]

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int) -> Batch:
        """The batch at an index, 0 <= index < len(self)."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        bucket, indices, rows = self._plan[index]
        return self._examples.batch(bucket, indices, np.arange(rows))

    def __iter__(self) -> Iterator[Batch]:
        return (self[index] for index in range(len(self)))


def in_order(results: Iterable[tuple[Batch, Any]], lengths: str | None = "lengths") -> list[Any]:
    """The results for every example, in the order of the examples and without padding.

    Args:
        results: pairs of a batch and what belongs to it, an array or a tuple of arrays: all batches
            of an `EvaluationBatches`, in any order.
        lengths: which lengths of a batch results [T, B, ...] have; None: results are [B, ...].

    Returns:
        [length of the example, ...] for each example; without lengths [...].
    """
    of_example = {}
    for batch, values in results:
        for row, index in enumerate(batch["indices"].tolist()):
            at = (slice(batch[lengths][row]), row) if lengths else row
            several = isinstance(values, tuple)
            of_example[index] = tuple(x[at] for x in values) if several else values[at]
    of_example.pop(FILLER, None)
    return [of_example[index] for index in range(len(of_example))]


def pad(arrays: Sequence[np.ndarray], length: int, rows: int | None = None) -> np.ndarray:
    """Arrays [t, ...] of different t side by side, [length, B, ...], 0 behind their ends.

    Args:
        rows: B; None: as many as there are arrays.
    """
    rows = len(arrays) if rows is None else rows
    padded = np.zeros((length, rows, *arrays[0].shape[1:]), arrays[0].dtype)
    for row, values in enumerate(arrays):
        padded[: len(values), row] = values
    return padded


def _cut(dealt: Mapping[int, np.ndarray], batch_size: int) -> list[tuple[int, np.ndarray]]:
    return [
        (bucket, indices[at : at + batch_size])
        for bucket, indices in dealt.items()
        for at in range(0, len(indices), batch_size)
    ]
