"""Joints of a skeleton over time: the files of MSR Action3D, and the features of a network."""

import re
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax.data.files import files_named
from rnnjax.errors import UserError

NUM_JOINTS = 20
NECK, HIP = 2, 6
"""Joints of MSR Action3D, from 0: the centres of shoulders and hips."""
FILE_NAME = re.compile(r"a(\d+)_s(\d+)_e(\d+)_\w*\.txt")
ACTIONS = (
    "high arm wave", "horizontal arm wave", "hammer", "hand catch", "forward punch", "high throw",
    "draw x", "draw tick", "draw circle", "hand clap", "two hand wave", "side boxing", "bend",
    "forward kick", "side kick", "jogging", "tennis swing", "tennis serve", "golf swing",
    "pick up and throw",
)  # fmt: skip


class Recording(NamedTuple):
    """A file of a skeleton.

    Attributes:
        joints: float32 `[T, 20, 3]`.
    """

    joints: np.ndarray
    action: str
    subject: int
    path: str


def is_source(path: Path) -> bool:
    """Whether a path is a tar file, or a folder with skeleton files."""
    if path.is_dir():
        return any(FILE_NAME.fullmatch(file.name) for file in path.rglob("*.txt"))
    return path.is_file() and tarfile.is_tarfile(path)


def read_source(path: Path) -> list[Recording]:
    """The skeleton files `aACTION_sSUBJECT_eEXAMPLE_skeleton.txt` of a folder or a tar file.

    Other files are left alone; nothing is extracted.

    Raises:
        UserError: there is none, or one cannot be used.
    """
    found = []
    for place, content in files_named(path, FILE_NAME):
        action, subject, _ = map(int, FILE_NAME.findall(place)[-1])
        label = ACTIONS[action - 1] if 1 <= action <= len(ACTIONS) else f"action {action}"
        found.append(Recording(parse(content, place), label, subject, place))
    if not found:
        raise UserError(f"{path} has no file such as a01_s01_e01_skeleton.txt")
    return found


def parse(content: bytes, path: str) -> np.ndarray:
    """The joints in a skeleton file, float32 `[T, 20, 3]`.

    Args:
        content: a line a joint, of x, y, z and a confidence that is not used; 20 lines a frame.

    Raises:
        UserError: the content is of another form.
    """
    rows = [(n, line.split()) for n, line in enumerate(content.splitlines(), 1) if line.strip()]
    for n, cells in rows:
        if len(cells) != 4:
            raise UserError(f"{path}:{n} has {len(cells)} columns: expected x, y, z, confidence")
    if not rows:
        raise UserError(f"{path} has no frames")
    if len(rows) % NUM_JOINTS:
        raise UserError(
            f"{path} has {len(rows)} lines: expected {NUM_JOINTS} a frame, one for each joint"
        )
    try:
        values = np.array([cells[:3] for _, cells in rows]).astype(np.float32)
    except ValueError as error:
        raise UserError(f"{path} holds what is no number: {error}") from error
    if not np.isfinite(values).all():
        raise UserError(f"{path}: a number is NaN or infinite")
    return values.reshape(-1, NUM_JOINTS, 3)


def features(joints: np.ndarray) -> np.ndarray:
    """Positions around the hip and velocities, both in torsos: float32 `[T, 6 J]`. ::

        p_t = smooth(j_t - hip_t) / torso,    v_t = p_t - p_{t-1},    v_0 = 0

    The torso is the mean distance of neck and hip. `smooth` fits a parabola to 5 frames. With other
    than 20 joints the hip is the mean of all, and the torso their mean distance from it.

    Args:
        joints: `[T, J, 3]`.

    References:
        Du, Wang & Wang 2015, "Hierarchical recurrent neural network for skeleton based action
        recognition", section 4.2: the hip as the origin, and the smoothing.
    """
    from scipy.signal import savgol_filter

    joints = joints.astype(np.float32)
    if joints.shape[1] == NUM_JOINTS:
        centred = joints - joints[:, HIP, None]
        torso = np.linalg.norm(centred[:, NECK], axis=-1)
    else:
        centred = joints - joints.mean(axis=1, keepdims=True)
        torso = np.linalg.norm(centred, axis=-1).mean(axis=-1)
    seen = torso[torso > 0]
    positions = centred / (seen.mean() if len(seen) else 1)
    positions = savgol_filter(positions, 5, 2, axis=0, mode="nearest").reshape(len(joints), -1)
    velocities = np.diff(positions, axis=0, prepend=positions[:1])
    return np.concatenate([positions, velocities], axis=1).astype(np.float32)


def varied(joints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another version of a recording for training: stretched in space and played faster.

    Each axis is stretched by a factor from 0.8 to 1.2, and time runs up to 1.5 times as fast.
    """
    speed = rng.uniform(1, 1.5)
    kept = np.arange(0, len(joints), speed).astype(int)
    return joints[kept] * rng.uniform(0.8, 1.2, 3).astype(np.float32)
