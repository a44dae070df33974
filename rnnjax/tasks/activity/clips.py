"""Videos from .npz files; the classes of a model, and the scale of its inputs."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from rnnjax.data import npz
from rnnjax.data.vocabulary import SavedVocabulary
from rnnjax.errors import UserError
from rnnjax.tasks.activity import skeletons

EXPECTED = (
    "expected an .npz file with frames [N, T, H, W] or joints [N, T, J, 3], labels [N] and, where "
    "videos are padded, lengths [N]"
)


class Clip(NamedTuple):
    """A video.

    Attributes:
        frames: images `[T, H, W]`, or joints `[T, J, 3]` with J > 3.
        label: its activity; empty: unknown.
        name: for messages.
    """

    frames: np.ndarray
    label: str
    name: str


@dataclasses.dataclass(frozen=True)
class Videos(SavedVocabulary):
    """The classes of a model, and the scale of its inputs.

    Attributes:
        classes: the K activities.
        shape: of a frame: `[H, W]` of images, `[J, 3]` of joints.
        mean, std: of all pixels, or of each of the D features of joints, over the training split.
    """

    classes: tuple[str, ...]
    shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, clips: Sequence[Clip]) -> Self:
        """Computes the scale on the training split."""
        shape = clips[0].frames.shape[1:]
        values = [features(clip.frames) for clip in clips]
        if is_skeleton(shape):
            rows = np.concatenate(values)
            mean, std = rows.mean(axis=0), rows.std(axis=0)
        else:
            pixels = np.concatenate([value.ravel() for value in values])
            mean, std = pixels.mean(keepdims=True), pixels.std(keepdims=True)
        std = np.where(std > 1e-6, std, 1)
        classes = tuple(sorted({clip.label for clip in clips}))
        return cls(classes, shape, tuple(mean.tolist()), tuple(std.tolist()))

    @property
    def is_skeleton(self) -> bool:
        """Whether frames are joints."""
        return is_skeleton(self.shape)

    def read(self, frames: np.ndarray) -> np.ndarray:
        """The network's input for a video, float32: images `[T, H, W]` or features `[T, D]`."""
        mean, std = (np.array(values, np.float32) for values in (self.mean, self.std))
        return (features(frames) - mean) / std


def check_clip(clip: Clip, shape: Sequence[int]) -> None:
    """Raises UserError for a video without frames, or with frames of another shape."""
    found = clip.frames.shape
    if not found[0]:
        raise UserError(f"{clip.name} has no frames")
    if tuple(found[1:]) != tuple(shape):
        raise UserError(
            f"{clip.name}: the frames have the shape {list(found[1:])}: expected {list(shape)}, as "
            "in the other videos"
        )
    if not np.isfinite(clip.frames).all():
        raise UserError(f"{clip.name}: a number is NaN or infinite")


def is_skeleton(shape: Sequence[int]) -> bool:
    """Whether a frame of this shape is joints in space, and no image."""
    return len(shape) == 2 and shape[1] == 3


def features(frames: np.ndarray) -> np.ndarray:
    """Images as they are, and of joints `skeletons.features`; float32."""
    if is_skeleton(frames.shape[1:]):
        return skeletons.features(frames)
    return frames.astype(np.float32)


def read_npz(path: Path | str, *, labelled: bool = True) -> list[Clip]:
    """The videos of an .npz file.

    Args:
        path: of the file: `frames` `[N, T, H, W]`, `labels` `[N]` and, where videos are padded,
            `lengths` `[N]`. Frames of shape `[J, 3]` are joints.

    Raises:
        UserError: it cannot be read, or has no such arrays.
    """
    needed = ["frames", *(["labels"] if labelled else [])]
    arrays = npz.read_npz(path, needed, expected=EXPECTED)
    frames = arrays["frames"]
    if frames.ndim != 4 or frames.dtype.kind not in "uifb" or not all(frames.shape[2:]):
        raise UserError(f"{path}: frames are {frames.dtype} {list(frames.shape)}: {EXPECTED}")
    count, steps = frames.shape[:2]
    if not count:
        raise UserError(f"{path} holds no videos: frames are {list(frames.shape)}")
    labels = arrays.get("labels", np.full(count, ""))
    lengths = arrays.get("lengths", np.full(count, steps))
    for name, values in (("labels", labels), ("lengths", lengths)):
        if values.shape != (count,):
            raise UserError(
                f"{path}: there are {count} videos, and {name} has the shape "
                f"{list(values.shape)}: expected [{count}]"
            )
    if lengths.dtype.kind not in "ui" or (lengths > steps).any() or (lengths < 0).any():
        raise UserError(f"{path}: lengths are whole numbers from 1 to {steps}, the T of frames")
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    if labelled and (labels == "").any():
        raise UserError(f"{path}, video {int(np.argmax(labels == ''))} has an empty label")
    return [
        Clip(video[:length], str(label), f"{path}, video {n}")
        for n, (video, length, label) in enumerate(zip(frames, lengths, labels, strict=True))
    ]
