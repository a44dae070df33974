"""From a source to its splits, and from videos to batches."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnjax import data
from rnnjax.data.named_splits import (
    SPLITS,
    also_in_training,
    drawn_by_label,
    is_list_of_paths,
    split_files,
)
from rnnjax.data.padded_batches import EvaluationBatches, Examples, Ragged, TrainingBatches
from rnnjax.data.prepared import Prepared
from rnnjax.errors import UserError
from rnnjax.tasks.activity import skeletons
from rnnjax.tasks.activity.clips import Clip, Videos, check_clip, read_npz
from rnnjax.tasks.activity.config import ActivityConfig, subjects_of
from rnnjax.tasks.activity.moving_digits import moving_digits


def load_splits(config: ActivityConfig, videos: Videos | None = None) -> dict[str, list[Clip]]:
    """The videos of a config, in splits.

    The videos of a single .npz file are drawn: of each class, 15 % each for validation and test.
    Skeletons are split by subject.

    Args:
        videos: what the model knows; None: what the training split has.

    Raises:
        UserError: the source cannot be used, a video has no frames or another size, or a class is
            unknown.
    """
    path = Path(os.path.expanduser(config.data))
    if config.data == "embedded":
        splits = moving_digits()
    elif not is_list_of_paths(config.data) and skeletons.is_source(path):
        splits = _by_subject(path, config)
    else:
        named = split_files(config.data, pool=True)
        splits = named.read(read_npz)
        if named.pooled:
            splits = drawn_by_label(splits["train"])
    for split, clips in splits.items():
        if not clips:
            raise UserError(
                f"{config.data} has no video for the {split} split: expected 4 videos or more of "
                "some class in one file, or some in each split"
            )
    train = splits["train"]
    shape = videos.shape if videos else train[0].frames.shape[1:]
    classes = videos.classes if videos else sorted({clip.label for clip in train})
    if len(classes) < 2:
        raise UserError(f"{config.data} has one class, {classes[0]!r}: expected two or more")
    for split, clips in splits.items():
        for clip in clips:
            check_clip(clip, shape)
            if clip.label not in classes:
                raise UserError(
                    f"{clip.name}: the {split} split has the class {clip.label!r}, which the "
                    f"training split does not have ({', '.join(classes)[:300]})"
                )
    return splits


def video_examples(clips: Sequence[Clip], videos: Videos, buckets: Sequence[int]) -> Examples:
    """Videos as examples: `frames` and `label`, 0 where it is unknown; skeletons in versions."""
    number_of = {name: n for n, name in enumerate(videos.classes)}

    def example(index: int, frames: np.ndarray) -> dict[str, np.ndarray]:
        label = number_of.get(clips[index].label, 0)
        return {"frames": videos.read(frames), "label": np.array(label, np.int32)}

    def draw(index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return example(index, skeletons.varied(clips[index].frames, rng))

    lengths = np.array([len(clip.frames) for clip in clips])
    return Examples(
        lambda index: example(index, clips[index].frames),
        len(clips),
        {"lengths": Ragged(("frames",), lengths, buckets)},
        draw=draw if videos.is_skeleton else None,
        noun="video",
        name_of=lambda n: clips[n].name,
    )


def prepare(config: ActivityConfig, videos: Videos | None = None) -> Prepared:
    """Loads the source of a config and makes its batches.

    A batch holds `frames` float32, `[T, B, H, W]` of images or `[T, B, D]` of joints; `lengths`
    int32 `[B]`, 0 in a filler row; and `label` int32 `[B]`.

    Args:
        videos: what a model knows that is trained further; None: what the training split has.

    Raises:
        UserError: see `load_splits`.
    """
    splits = load_splits(config, videos)
    videos = videos or Videos.of(splits["train"])
    examples = {}
    for split, clips in splits.items():
        lengths = [len(clip.frames) for clip in clips]
        buckets = data.bucket_lengths(lengths, config.num_buckets, batch_size=config.batch_size)
        examples[split] = video_examples(clips, videos, buckets)
    batches = TrainingBatches(examples["train"], batch_size=config.batch_size, seed=config.seed)
    held_out = examples.get("validation", examples["train"])
    validation = EvaluationBatches(held_out, batch_size=config.batch_size)
    digest = hashlib.sha256()
    for clip in splits["train"]:
        digest.update(np.ascontiguousarray(clip.frames).tobytes() + clip.label.encode() + b"\0")
    sizes = ", ".join(f"{split} {len(clips):,}" for split, clips in splits.items())
    longest = max(len(clip.frames) for clip in splits["train"])
    description = (
        f"videos: {sizes}; {len(videos.classes)} classes; up to {longest} frames of "
        f"{' x '.join(map(str, videos.shape))}; {batches.padding_share('frames'):.1%} padding."
    )
    seen = also_in_training(splits, "videos", lambda clip: clip.frames)
    description = "\n".join([description, *seen])
    return Prepared(batches, validation, description, splits, digest.hexdigest(), videos)


def _by_subject(path: Path, config: ActivityConfig) -> dict[str, list[Clip]]:
    train = subjects_of(config.train_subjects)
    validation = subjects_of(config.validation_subjects)
    splits: dict[str, list[Clip]] = {split: [] for split in SPLITS if split != "validation"}
    if validation:
        splits["validation"] = []
    for joints, action, subject, name in skeletons.read_source(path):
        split = "train" if subject in train else "test"
        split = "validation" if subject in validation else split
        splits[split].append(Clip(joints, action, name))
    return splits
