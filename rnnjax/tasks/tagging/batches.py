"""Tagged sentences in padded batches: shuffled for training, each once for evaluation."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.data.buckets import check_positive, deal
from rnnjax.data.endless import EndlessBatches
from rnnjax.data.last_result import Latest
from rnnjax.data.streams import Batch
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary

Transform = Callable[[Sentence, np.random.Generator], Sentence]

FILLER = -1
"""Index of a row that holds no sentence."""


class TrainingBatches(EndlessBatches):
    """Shuffled batches of sentences of about the same length.

    An epoch holds every sentence once. Sentences are shuffled, dealt to their buckets and cut into
    batches of B rows; the last batch of a bucket is filled up with rows of length 0. Then the
    batches are shuffled. The batch at an index is a function of the index, and an index is all
    there is to a position in the data.

    A batch is a dict of int32, time-major, with T the length of its bucket and 0 at padding:
        words: [T, B].
        characters: [T, B, C].
        case: [T, B].
        tags: [T, B].
        lengths: [B], tokens of each row; 0 in a filler row.
        indices: [B], which sentence a row holds; FILLER in a filler row.

    Attributes:
        batches_per_epoch: how many.
    """

    def __init__(
        self,
        sentences: Sequence[Sentence],
        vocabulary: TaggingVocabulary,
        *,
        batch_size: int,
        buckets: Sequence[int],
        seed: int = 0,
        transform: Transform | None = None,
    ):
        """Deals the sentences to their buckets.

        Args:
            sentences: the training split.
            vocabulary: turns them into numbers.
            batch_size: B, rows.
            buckets: lengths to pad to, ascending; see `bucket_lengths`. Sentences longer than the
                last get buckets of twice, four times, ... its length.
            seed: of the order, and of `transform`.
            transform: makes another sentence of one, anew in every epoch, with a random generator
                of its own. Where that does not fit into the bucket, the sentence stays as it is.

        Raises:
            UserError: there are no sentences, or the sizes make no sense.
        """
        super().__init__(batch_size, seed)
        self._sentences, self._vocabulary = sentences, vocabulary
        self._transform = transform
        self._members = _dealt(sentences, buckets)
        self.batches_per_epoch = sum(-(-len(m) // batch_size) for m in self._members.values())
        self._plan: Latest[list] = Latest()

    def __getitem__(self, index: int) -> Batch:
        """The batch at an index, 0 <= index."""
        epoch, n = divmod(int(index), self.batches_per_epoch)
        length, indices = self._plan.of(epoch, self._plan_of)[n]
        indices = indices[self._rows[self._rows < len(indices)]]
        rows = [self._sentence(int(i), epoch, length) for i in indices]
        return _batch(rows, indices, length, len(self._rows), self._vocabulary)

    def _plan_of(self, epoch: int) -> list["_Planned"]:
        rng = np.random.default_rng([self._seed, epoch])
        plan = [
            planned
            for length, members in self._members.items()
            for planned in _cut(rng.permutation(members), length, self._batch_size)
        ]
        return [plan[n] for n in rng.permutation(len(plan))]

    def _sentence(self, index: int, epoch: int, length: int) -> Sentence:
        sentence = self._sentences[index]
        if self._transform is None:
            return sentence
        rng = np.random.default_rng([self._seed, epoch, index])
        other = self._transform(sentence, rng)
        return other if len(other.tokens) <= length else sentence


class EvaluationBatches:
    """Batches that hold every sentence exactly once, the short ones first.

    Batches as in `TrainingBatches`. `in_order` puts what a model makes of them in the order of the
    sentences.
    """

    def __init__(
        self,
        sentences: Sequence[Sentence],
        vocabulary: TaggingVocabulary,
        *,
        batch_size: int,
        buckets: Sequence[int],
    ):
        """Deals the sentences to their buckets.

        Args:
            sentences: a split, or what shall be tagged.
            vocabulary: turns them into numbers.
            batch_size: B, rows.
            buckets: as in `TrainingBatches`.

        Raises:
            UserError: there are no sentences, or the sizes make no sense.
        """
        check_positive(batch_size=batch_size)
        self._sentences, self._vocabulary = sentences, vocabulary
        self._batch_size = batch_size
        self._plan = [
            planned
            for length, members in _dealt(sentences, buckets).items()
            for planned in _cut(members, length, batch_size)
        ]

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int) -> Batch:
        """The batch at an index, 0 <= index < len(self)."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        length, indices = self._plan[index]
        rows = [self._sentences[i] for i in indices]
        return _batch(rows, indices, length, self._batch_size, self._vocabulary)

    def __iter__(self) -> Iterator[Batch]:
        return (self[index] for index in range(len(self)))


def in_order(results: Iterable[tuple[Batch, np.ndarray]]) -> list[np.ndarray]:
    """What a model made of every sentence, in the order of the sentences and without padding.

    Args:
        results: pairs of a batch and what belongs to it, [T, B, ...]: all batches of an
            `EvaluationBatches`, in any order.

    Returns:
        [length of the sentence, ...] for each sentence.
    """
    of_sentence = {}
    for batch, values in results:
        values = np.asarray(values)
        rows = zip(batch["indices"].tolist(), batch["lengths"].tolist(), strict=True)
        for row, (index, length) in enumerate(rows):
            if index != FILLER:
                of_sentence[index] = values[:length, row]
    return [of_sentence[index] for index in range(len(of_sentence))]


def padding_share(batches: Iterable[Batch]) -> float:
    """The share of all positions [T, B] of some batches that hold no token."""
    tokens = positions = 0
    for batch in batches:
        tokens += int(batch["lengths"].sum())
        positions += batch["words"].size
    return 1 - tokens / positions


def _dealt(sentences: Sequence[Sentence], buckets: Sequence[int]) -> dict[int, np.ndarray]:
    lengths = [len(sentence.tokens) for sentence in sentences]
    return deal(lengths, buckets, lambda index: sentences[index].source)


class _Planned(NamedTuple):
    """A batch to be: its T, and the sentences of its rows but for the filler [<= B]."""

    length: int
    indices: np.ndarray


def _cut(members: np.ndarray, length: int, batch_size: int) -> Iterator[_Planned]:
    for at in range(0, len(members), batch_size):
        yield _Planned(length, members[at : at + batch_size])


def _batch(
    sentences: Sequence[Sentence],
    indices: np.ndarray,
    length: int,
    batch_size: int,
    vocabulary: TaggingVocabulary,
) -> Batch:
    shape = (length, batch_size)
    batch: Batch = {name: np.zeros(shape, np.int32) for name in ("words", "case", "tags")}
    batch["characters"] = np.zeros((*shape, vocabulary.word_length), np.int32)
    batch["lengths"] = np.zeros(batch_size, np.int32)
    batch["indices"] = np.full(batch_size, FILLER, np.int32)
    batch["indices"][: len(indices)] = indices
    for row, sentence in enumerate(sentences):
        batch["lengths"][row] = len(sentence.tokens)
        for name, values in vocabulary.encode(sentence)._asdict().items():
            batch[name][: len(values), row] = values
    return batch
