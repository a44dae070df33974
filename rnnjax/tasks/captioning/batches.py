"""Captions with their images in padded batches: shuffled for training, each once for evaluation."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np

from rnnjax.data.endless import EndlessBatches
from rnnjax.data.last_result import Latest
from rnnjax.data.streams import Batch
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.scenes import MAX_WORDS, DigitScenes, Scene
from rnnjax.tasks.captioning.vocabulary import CaptionVocabulary

SCENE_LENGTHS = (4, 11, MAX_WORDS + 1)
"""What captions of scenes with one, two and three groups of digits are padded to, END included."""


class Pictures(NamedTuple):
    """Arrays of images, or of their features, by their indices.

    Attributes:
        kind: the name of the arrays in a batch: image or features.
        take: gives those of the indices [B], [B, ...].
    """

    kind: str
    take: Callable[[np.ndarray], np.ndarray]


class CaptionIds(NamedTuple):
    """A caption to be learned: which picture it is of, and its ids with END."""

    picture: int
    ids: np.ndarray


class TrainingCaptions(EndlessBatches):
    """Shuffled batches of captions of about the same length, each with its image.

    An epoch holds every caption once but for the last few of each length, which wait for another
    epoch, so that every batch is full. The batch at an index is a function of the index.

    A batch is a dict, with T the length of its bucket and 0 (END) at padding:
        words: int32 [T, B].
        lengths: int32 [B], END included.
        image or features: [B, ...].

    Attributes:
        batches_per_epoch: how many.
    """

    def __init__(
        self,
        captions: Sequence[CaptionIds],
        pictures: Pictures,
        *,
        batch_size: int,
        buckets: Sequence[int],
        seed: int = 0,
    ):
        """Deals the captions to their buckets.

        Args:
            captions: the training split.
            pictures: that they speak of.
            batch_size: B.
            buckets: lengths to pad to, ascending, the last at least that of the longest caption.
            seed: of the order.

        Raises:
            UserError: there are too few captions for a batch.
        """
        super().__init__(batch_size, seed)
        if len(captions) < batch_size:
            raise UserError(
                f"{len(captions)} captions are too few for a batch of {batch_size}: choose a "
                f"smaller batch_size"
            )
        self._captions, self._pictures = captions, pictures
        self._members = _full_buckets([len(c.ids) for c in captions], buckets, batch_size)
        self.batches_per_epoch = sum(len(m) // batch_size for m in self._members.values())
        self._plan: Latest[list] = Latest()

    def __getitem__(self, index: int) -> Batch:
        """The batch at an index, 0 <= index."""
        epoch, n = divmod(int(index), self.batches_per_epoch)
        length, indices = self._plan.of(epoch, self._plan_of)[n]
        rows = [self._captions[i] for i in indices[self._rows].tolist()]
        pictures = np.array([row.picture for row in rows])
        return {
            **padded_captions([row.ids for row in rows], length),
            self._pictures.kind: self._pictures.take(pictures),
        }

    def _plan_of(self, epoch: int) -> list[tuple[int, np.ndarray]]:
        rng = np.random.default_rng([self._seed, epoch])
        plan = [
            (length, indices)
            for length, members in self._members.items()
            for indices in _whole(rng.permutation(members), self._batch_size)
        ]
        return [plan[n] for n in rng.permutation(len(plan))]


class TrainingImages(EndlessBatches):
    """Shuffled batches of images, each with all its captions.

    An epoch holds every image once but for the last few, which wait for another epoch. The batch at
    an index is a function of the index.

    A batch is a dict, with T of the longest caption, R of the image with most, 0 at padding:
        words: int32 [T, B, R].
        lengths: int32 [B, R], END included; 0 where an image has fewer captions.
        image or features: [B, ...].

    Attributes:
        batches_per_epoch: how many.
    """

    def __init__(
        self,
        captions: Sequence[CaptionIds],
        pictures: Pictures,
        *,
        batch_size: int,
        seed: int = 0,
    ):
        """Puts the captions together that are of one picture.

        Args:
            captions: the training split.
            pictures: that they speak of.
            batch_size: B.
            seed: of the order.

        Raises:
            UserError: there are too few images for a batch.
        """
        super().__init__(batch_size, seed)
        of_picture: dict[int, list[np.ndarray]] = {}
        for caption in captions:
            of_picture.setdefault(caption.picture, []).append(caption.ids)
        if len(of_picture) < batch_size:
            raise UserError(
                f"{len(of_picture)} images are too few for a batch of {batch_size}: choose a "
                f"smaller batch_size"
            )
        self._ids, self._captions = np.array(list(of_picture)), list(of_picture.values())
        self._pictures = pictures
        self._longest = max(len(caption.ids) for caption in captions)
        self._most = max(map(len, self._captions))
        self.batches_per_epoch = len(self._captions) // batch_size
        self._order: Latest[np.ndarray] = Latest()

    def __getitem__(self, index: int) -> Batch:
        """The batch at an index, 0 <= index."""
        epoch, n = divmod(int(index), self.batches_per_epoch)
        chosen = self._order.of(epoch, self._order_of)[n * self._batch_size + self._rows]
        none = np.zeros(0, np.int32)
        captions = [
            caption
            for i in chosen.tolist()
            for caption in self._captions[i] + [none] * (self._most - len(self._captions[i]))
        ]
        flat = padded_captions(captions, self._longest)
        return {
            "words": flat["words"].reshape(self._longest, len(chosen), self._most),
            "lengths": flat["lengths"].reshape(len(chosen), self._most),
            self._pictures.kind: self._pictures.take(self._ids[chosen]),
        }

    def _order_of(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self._seed, epoch]).permutation(len(self._captions))


class SceneBatches(EndlessBatches):
    """Batches of digit scenes as in `TrainingCaptions`, composed anew for every index.

    The scenes of `made_together` batches are sorted by the length of their captions, so that most
    batches hold captions of about one length, and then these batches are shuffled.
    """

    made_together = 8

    def __init__(
        self,
        scenes: DigitScenes,
        vocabulary: CaptionVocabulary,
        *,
        batch_size: int,
        seed: int = 0,
    ):
        """Takes the scenes in their order, which is random.

        Args:
            scenes: the training split.
            vocabulary: turns captions into ids.
            batch_size: B.
            seed: of the order of batches.
        """
        super().__init__(batch_size, seed)
        self._scenes, self._vocabulary = scenes, vocabulary
        self._pool: Latest[list[Batch]] = Latest()

    def __getitem__(self, index: int) -> Batch:
        """The batch at an index, 0 <= index."""
        pool, n = divmod(int(index), self.made_together)
        return self._pool.of(pool, self._pool_of)[n]

    def of_rows(self, rows: np.ndarray) -> Self:
        """See `EndlessBatches`; the batches made already have other rows."""
        part = super().of_rows(rows)
        part._pool = Latest()
        return part

    def _pool_of(self, number: int) -> list[Batch]:
        size = self.made_together * self._batch_size
        scenes = [self._scenes[n] for n in range(number * size, (number + 1) * size)]
        scenes.sort(key=lambda scene: len(scene.caption))
        rng = np.random.default_rng([self._seed, number])
        starts = rng.permutation(self.made_together) * self._batch_size
        return [self._batch(scenes[at : at + self._batch_size]) for at in starts.tolist()]

    def _batch(self, scenes: Sequence[Scene]) -> Batch:
        ids = [self._vocabulary.encode(" ".join(scene.caption)) for scene in scenes]
        length = min(n for n in SCENE_LENGTHS if n >= max(map(len, ids)))
        images = np.stack([scenes[n].image for n in self._rows.tolist()])
        return {**padded_captions([ids[n] for n in self._rows], length), "image": images}


def padded_captions(captions: Sequence[np.ndarray], length: int) -> Batch:
    """Captions side by side: `words` int32 [T, B], `lengths` int32 [B]."""
    words = np.zeros((length, len(captions)), np.int32)
    for row, ids in enumerate(captions):
        words[: len(ids), row] = ids
    return {"words": words, "lengths": np.array([len(ids) for ids in captions], np.int32)}


def _full_buckets(
    lengths: Sequence[int], buckets: Sequence[int], batch_size: int
) -> dict[int, np.ndarray]:
    """{length of a bucket: the indices dealt to it}; those that fill no batch go one bucket up."""
    if max(lengths) > buckets[-1]:
        raise UserError(
            f"the longest caption has {max(lengths)} ids, the last bucket {buckets[-1]}"
        )
    order = np.argsort(lengths, kind="stable")
    ends = np.searchsorted(np.sort(lengths), buckets, side="right").tolist()
    ends[-1] = len(order)
    members: dict[int, np.ndarray] = {}
    first = 0
    for length, end in zip(buckets, ends, strict=True):
        if min(end - first, len(order) - end) >= batch_size or end == len(order):
            members[length] = order[first:end]
            first = end
    return members


def _whole(indices: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    for at in range(0, len(indices) - batch_size + 1, batch_size):
        yield indices[at : at + batch_size]
