"""A stream of ids cut into the windows of truncated backpropagation through time."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rnnjax.data.batch_iterator import Batch, EndlessBatches
from rnnjax.data.buckets import bucket_lengths, bucket_of
from rnnjax.errors import UserError, check_at_least


class Stream(NamedTuple):
    """Documents laid end to end.

    Attributes:
        ids: unsigned integers [N].
        document_starts: int64 [number of documents], ascending, the first of them 0.
    """

    ids: np.ndarray
    document_starts: np.ndarray


class TrainingWindows(EndlessBatches):
    """Windows for TBPTT(k1, k2): an update every k1 = `window` steps, back over k2 = `bptt`.

    Each of the B rows of a batch reads a contiguous stretch of the corpus of its own, seen as a
    circle. Window n of a pass covers steps [n k1, n k1 + k2) of every row, and its targets are the
    symbols one step later; so the carry to hand on to the next window is the one after k1 steps. A
    pass has as many windows as fit; then the next pass begins, with the circle turned by a random
    amount, so that windows do not always meet the text at the same places. The window at an index
    is a function of the index, and an index is all there is to a position in the data.

    A batch is a dict, time-major with T = k2:
        inputs, targets: int32 [T, B].
        reset: bool [T, B], where the carry must be put back before the step: where a document
            starts, and at the first step of a pass.
        mask: bool [T, B], the targets that count: not the first symbol of a document (it does not
            continue what came before), and each step once where windows overlap (k2 > k1): all of
            the first window of a pass, only the last k1 steps of the others.

    A text of fewer than B k2 symbols is read by rows of k2 steps that overlap.

    Attributes:
        rows_overlap: whether they do.

    References:
        Williams and Peng, "An efficient gradient-based algorithm for on-line training of recurrent
        network trajectories" (1990): BPTT(h; h').
    """

    time_major = ("inputs", "targets", "reset", "mask")

    def __init__(
        self,
        stream: Stream,
        *,
        batch_size: int,
        window: int,
        bptt: int | None = None,
        seed: int = 0,
        rotate: bool = True,
    ):
        """Lays out the rows.

        Args:
            batch_size: B, rows.
            window: k1, steps between two updates.
            bptt: k2 >= k1, steps of a window; None: k1.
            seed: of the turns of the circle.
            rotate: whether passes turn it; False: every pass is the same.

        Raises:
            UserError: the sizes do not fit the text.
        """
        super().__init__(batch_size, seed)
        bptt = window if bptt is None else bptt
        _check_sizes(stream, batch_size, window)
        if bptt < window:
            raise UserError(f"bptt={bptt} must be at least window={window}")
        distance = len(stream.ids) // batch_size
        self.rows_overlap = distance < bptt
        self._row_length = max(distance, bptt)
        self._stream = _Circle(stream)
        self._row_starts = np.arange(batch_size) * max(distance, 1)
        self._window, self._bptt = window, bptt
        self._rotate = rotate
        self.windows_per_pass = 1 + (self._row_length - bptt) // window

    def __getitem__(self, index: int) -> Batch:
        """The batch at an index, 0 <= index."""
        pass_number, n = divmod(int(index), self.windows_per_pass)
        starts = self._row_starts[self._rows] + self._turn(pass_number) + n * self._window
        batch = self._stream.batch(starts, self._bptt)
        if n == 0:
            batch["reset"][0] = True
        else:
            batch["mask"][: self._bptt - self._window] = False
        return batch

    def _turn(self, pass_number: int) -> int:
        if not self._rotate:
            return 0
        rng = np.random.default_rng([self._seed, pass_number])
        return int(rng.integers(len(self._stream.ids)))


class VaryingWindows(TrainingWindows):
    """Training windows of random lengths, so that updates do not always end at the same distances.

    The length of a window is that of Merity et al. (2018, section 5)::

        round(max(5, Normal(base, 5))),    base = window with probability 0.95, otherwise window / 2

    and at most `window` + 15. It is padded to one of a few lengths, so that few programs are
    compiled. A pass has as many windows as fit at their mean length.

    Batches as in `TrainingWindows`, with one array more:
        lengths: int32 [B], the length of the window, in every row the same. Behind it everything is
            0 or False; the carry to hand on is the one after it.

    Attributes:
        buckets: the lengths that windows are padded to.

    References:
        Merity, Keskar & Socher 2018, "Regularizing and optimizing LSTM language models".
    """

    SPREAD, SHORTEST, HALVED, NUM_BUCKETS, DRAWS = 5, 5, 0.05, 4, 4096

    def __init__(self, stream: Stream, *, batch_size: int, window: int, seed: int = 0):
        """Lays out the rows; arguments and errors as for `TrainingWindows`."""
        super().__init__(stream, batch_size=batch_size, window=window, seed=seed)
        drawn = self._draw(np.random.default_rng(0), self.DRAWS)
        self.buckets = bucket_lengths([*drawn, self._longest], self.NUM_BUCKETS)
        self.windows_per_pass = max(1, int(self._row_length / drawn.mean()))

    def __getitem__(self, index: int) -> Batch:
        """The batch at an index, 0 <= index."""
        pass_number, n = divmod(int(index), self.windows_per_pass)
        lengths, firsts = self._plan(pass_number)
        length = int(lengths[n])
        steps = bucket_of(length, self.buckets)
        starts = self._row_starts[self._rows] + self._turn(pass_number) + firsts[n]
        inside = np.arange(steps)[:, None] < length
        batch = self._stream.batch(starts, steps)
        batch = {name: values * inside for name, values in batch.items()}
        if n == 0:
            batch["reset"][0] = True
        batch["lengths"] = np.full(len(self._rows), length, np.int32)
        return batch

    def _make_plan(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The lengths of the windows of a pass, and where each begins in its row."""
        rng = np.random.default_rng([self._seed, epoch, self._window])
        lengths = self._draw(rng, self.windows_per_pass)
        return lengths, np.cumsum(lengths) - lengths

    @property
    def _longest(self) -> int:
        return self._window + 3 * self.SPREAD

    def _draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        base = np.where(rng.random(count) < self.HALVED, self._window / 2, self._window)
        lengths = np.rint(rng.normal(base, self.SPREAD))
        return np.clip(lengths, self.SHORTEST, self._longest).astype(np.int64)


class EvaluationWindows:
    """Windows that hold every target of a split exactly once, in order, carry handed on.

    Batches as in `TrainingWindows` with T = window. Row b reads the b-th part of the split;
    everything is 0 or False where it is already at its end. A row begins with a reset, so B = 1
    sees every symbol in its full context, and larger B lacks it at B - 1 places.
    """

    def __init__(self, stream: Stream, *, batch_size: int, window: int):
        """Lays out the rows.

        Args:
            batch_size: B, rows.
            window: T, steps of a batch.

        Raises:
            UserError: the sizes are not positive, or the split has nothing to predict.
        """
        _check_sizes(stream, batch_size, window)
        self._stream = _Circle(stream)
        self._window = window
        self._row_length = -(-(len(stream.ids) - 1) // batch_size)
        self._row_starts = np.arange(batch_size) * self._row_length

    def __len__(self) -> int:
        return -(-self._row_length // self._window)

    def __getitem__(self, index: int) -> Batch:
        """The batch at an index, 0 <= index < len(self)."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        first = index * self._window
        batch = self._stream.batch(self._row_starts + first, self._window)
        step = first + np.arange(self._window)[:, None]
        inside = (step < self._row_length) & (self._row_starts + step < len(self._stream.ids) - 1)
        batch = {name: values * inside for name, values in batch.items()}
        if index == 0:
            batch["reset"][0] = True
        return batch

    def __iter__(self) -> Iterator[Batch]:
        return (self[index] for index in range(len(self)))


class _Circle:
    """A stream whose end joins its start."""

    def __init__(self, stream: Stream):
        self.ids = np.asarray(stream.ids)
        self._document_starts = stream.document_starts

    def __getstate__(self) -> dict:
        if isinstance(self.ids.base, np.memmap):
            raise UserError(
                "the text is larger than the memory set aside for it and lies in a file that only "
                "this process can read: --config.data_workers=0"
            )
        return self.__dict__

    def batch(self, starts: np.ndarray, num_steps: int) -> Batch:
        """Inputs and targets of `num_steps` steps from each of `starts` [B] on."""
        places = (starts + np.arange(num_steps + 1)[:, None]) % len(self.ids)
        ids = self.ids[places].astype(np.int32)
        found = np.searchsorted(self._document_starts, places)
        begins = np.take(self._document_starts, found, mode="clip") == places
        return {"inputs": ids[:-1], "targets": ids[1:], "reset": begins[:-1], "mask": ~begins[1:]}


def _check_sizes(stream: Stream, batch_size: int, window: int) -> None:
    check_at_least(1, batch_size=batch_size, window=window)
    if len(stream.ids) == len(stream.document_starts):
        raise UserError(
            f"a split of {len(stream.ids)} symbols in {len(stream.document_starts)} documents has "
            f"nothing to predict: give it more text"
        )
