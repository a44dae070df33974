"""Captions with their images as examples for padded batches; batches of digit scenes."""

from collections.abc import Callable, Sequence

import numpy as np

from rnnjax.data.batch_iterator import Batch, EndlessBatches
from rnnjax.data.padded_batches import Example, Examples, Ragged, pad
from rnnjax.tasks.captioning.captioned_images import CaptionVocabulary
from rnnjax.tasks.captioning.scenes import MAX_WORDS, DigitScenes, Scene

SCENE_LENGTHS = (4, 11, MAX_WORDS + 1)
"""The padded lengths of captions of scenes with one, two and three groups, END included."""


Pictures = Callable[[int], Example]
"""Gives an image by its index as it stands in a batch: `{"image": [...]}`, or `features`."""


def caption_examples(
    ids: Sequence[Sequence[np.ndarray]], pictures: Pictures, buckets: Sequence[int] | None = None
) -> Examples:
    """One example a caption, with its image: `words` [T] and `image` or `features`.

    Args:
        ids: of the captions of each image, int32, END included.
        buckets: lengths to pad to, ascending; None: the longest.
    """
    captions = [(image, caption) for image, some in enumerate(ids) for caption in some]

    def get(index: int) -> Example:
        image, caption = captions[index]
        return {"words": caption, **pictures(image)}

    lengths = np.array([len(caption) for _, caption in captions])
    ragged = {"lengths": Ragged(["words"], lengths, buckets)}
    return Examples(get, len(captions), ragged, noun="caption")


class SceneBatches(EndlessBatches):
    """Batches of digit scenes as of `caption_examples`, composed anew for every index.

    The scenes of `made_together` batches are sorted by the length of their captions, so that most
    batches hold captions of about one length, and then these batches are shuffled.
    """

    made_together = 8
    time_major = ("words",)

    def __init__(
        self,
        scenes: DigitScenes,
        vocabulary: CaptionVocabulary,
        *,
        batch_size: int,
        num_buckets: int = len(SCENE_LENGTHS),
        seed: int = 0,
    ):
        """Takes the scenes in their order, which is random.

        Args:
            num_buckets: how many of `SCENE_LENGTHS` captions are padded to at most, the longest.
        """
        super().__init__(batch_size, seed)
        self._scenes, self._vocabulary = scenes, vocabulary
        self._lengths = SCENE_LENGTHS[-num_buckets:]

    def __getitem__(self, index: int) -> Batch:
        """The batch at an index, 0 <= index."""
        pool, n = divmod(int(index), self.made_together)
        scenes = self._plan(pool)[n]
        ids = [self._vocabulary.encode(" ".join(scene.caption)) for scene in scenes]
        length = min(n for n in self._lengths if n >= max(map(len, ids)))
        rows = self._rows.tolist()
        return {
            "words": pad([ids[row] for row in rows], length),
            "lengths": np.array([len(ids[row]) for row in rows], np.int32),
            "image": np.stack([scenes[row].image for row in rows]),
        }

    def _make_plan(self, pool: int) -> list[list[Scene]]:
        size = self.made_together * self._batch_size
        scenes = [self._scenes[n] for n in range(pool * size, (pool + 1) * size)]
        scenes.sort(key=lambda scene: len(scene.caption))
        rng = np.random.default_rng([self._seed, pool])
        starts = rng.permutation(self.made_together) * self._batch_size
        return [scenes[at : at + self._batch_size] for at in starts.tolist()]
