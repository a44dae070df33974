"""The network of videos: its loss, and the class of a video or of its beginning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import data, training
from rnnjax.cells.cell import split_key
from rnnjax.cells.pointwise import drop
from rnnjax.data.padded_batches import EvaluationBatches, in_order
from rnnjax.errors import UserError
from rnnjax.models import SequenceClassifier, classification_loss
from rnnjax.models.network import Network
from rnnjax.tasks.activity.clips import Clip, Videos, check_clip
from rnnjax.tasks.activity.config import ActivityConfig
from rnnjax.tasks.activity.preparation import video_examples
from rnnjax.typing import Array, Batch

CHANNELS = (8, 16)


class FrameEncoder(nnx.Module):
    """A small CNN: an image `[H, W]` becomes `[E]`, by two convolutions of stride 2."""

    def __init__(self, shape: Sequence[int], size: int, *, rngs: nnx.Rngs):
        """Draws the parameters.

        Args:
            shape: H and W.
            size: E.
        """
        first, second = CHANNELS
        self.conv1 = nnx.Conv(1, first, (3, 3), strides=2, rngs=rngs)
        self.conv2 = nnx.Conv(first, second, (3, 3), strides=2, rngs=rngs)
        positions = np.prod([-(-side // 4) for side in shape])
        self.linear = nnx.Linear(int(positions) * second, size, rngs=rngs)

    def __call__(self, frames: Array) -> Array:
        """Encodes each frame: `[T, B, H, W]` -> `[T, B, E]`."""
        images = frames.reshape(-1, *frames.shape[2:], 1)
        maps = nnx.relu(self.conv2(nnx.relu(self.conv1(images))))
        return nnx.relu(self.linear(maps.reshape(*frames.shape[:2], -1)))


class ActivityNetwork(Network):
    """``logits = classifier(drop(encoder(frames)))``; joints are read without an encoder."""

    def __init__(self, config: ActivityConfig, videos: Videos, *, rngs: nnx.Rngs):
        """Draws the parameters.

        Args:
            videos: decides what a frame is, and the number of classes.
        """
        size = len(videos.mean) if videos.is_skeleton else config.frame_size
        of_images = not videos.is_skeleton
        self.encoder = FrameEncoder(videos.shape, size, rngs=rngs) if of_images else None
        self.dropout = config.dropout
        self.classifier = SequenceClassifier(
            len(videos.classes),
            config.network(both_directions=config.bidirectional),
            input_size=size,
            pooling=config.pooling,
            dropout=config.dropout,
            compute_dtype=config.operand_dtype,
            rngs=rngs,
        )

    def __call__(self, frames: Array, lengths: Array, key: Array | None = None) -> Array:
        """Scores every class, `[B, K]`.

        Args:
            frames: images `[T, B, H, W]` or features `[T, B, D]`.
            lengths: frames of each video, int `[B]`; what is behind them has no influence.
            key: turns on dropout and the cell's noise.
        """
        key_frames, key_classifier = split_key(key, 2)
        mask = jnp.arange(len(frames))[:, None] < lengths
        frames = jnp.where(jnp.expand_dims(mask, range(2, frames.ndim)), frames, 0)
        xs = frames if self.encoder is None else self.encoder(frames)
        xs = drop(xs, self.dropout, key_frames, xs.shape[1:])
        return self.classifier(xs, mask, key_classifier)


def make_model(config: ActivityConfig, videos: Videos) -> ActivityNetwork:
    """The network of a config, with fresh parameters."""
    return ActivityNetwork(config, videos, rngs=nnx.Rngs(config.seed))


def batch_loss(model: ActivityNetwork, batch: Batch, key: Array | None) -> training.Loss:
    """The cross entropy of the class in nats a video, and how many percent are right."""
    lengths = batch["lengths"]
    logits = model(batch["frames"], lengths, key)
    total, count, right = classification_loss(logits, batch["label"], lengths > 0)
    return training.Loss(total, count, metrics={"accuracy": 100 * right}, work=lengths.sum())


class ActivityModel(NamedTuple):
    """A trained network with its classes.

    Attributes:
        videos: its classes, and the size and scale of frames.
    """

    model: ActivityNetwork
    videos: Videos
    config: ActivityConfig

    def classify(self, videos: Sequence[Any], *, percent: float = 100) -> np.ndarray:
        """The probability of each class for each video, `[N, K]`; names: `videos.classes`.

        The network sees the first `ceil(percent * T / 100)` frames of a video, in both directions.
        Features of joints are computed from these frames too.

        Args:
            videos: N `Clip`s, or arrays of frames, `[T, H, W]` on the scale of the training (such
                as 0 to 255), or joints `[T, J, 3]`; T may differ.
            percent: which share of each video is seen, from its beginning.

        Raises:
            UserError: there is no video, one has no frames, or its frames have another shape.
        """
        if not 0 < percent <= 100:
            raise UserError(f"percent is above 0 and at most 100; got {percent}")
        if not len(videos):
            raise UserError("there are no videos: expected one or more")
        clips = [
            one if isinstance(one, Clip) else Clip(np.asarray(one), "", f"video {n}")
            for n, one in enumerate(videos)
        ]
        for clip in clips:
            check_clip(clip, self.videos.shape)
        rows = self.config.batch_size
        whole = [len(clip.frames) for clip in clips]
        buckets = data.bucket_lengths(whole, self.config.num_buckets, batch_size=rows)
        begun = [
            clip._replace(frames=clip.frames[: -int(-percent * size // 100)])
            for clip, size in zip(clips, whole, strict=True)
        ]
        examples = video_examples(begun, self.videos, buckets)
        batches = EvaluationBatches(examples, batch_size=min(rows, examples.size))
        found = training.results_of(_probabilities, self.model, batches)
        return np.array(in_order(found, lengths=None))


def load(workdir: str | Path, config: ActivityConfig | None = None) -> ActivityModel:
    """The trained model of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, ActivityConfig, config)
    videos = Videos.from_json(stored["vocabulary"])
    model = training.restore_model(workdir, make_model, settings, videos)
    return ActivityModel(model, videos, settings)


def _probabilities(model: ActivityNetwork, batch: dict[str, Array]) -> Array:
    return jax.nn.softmax(model(batch["frames"], batch["lengths"]))
