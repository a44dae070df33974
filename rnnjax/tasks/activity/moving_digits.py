"""Short videos of a handwritten digit that waits and then moves or turns."""

import numpy as np

from rnnjax.data.named_splits import SPLITS
from rnnjax.tasks.activity.clips import Clip

DIGITS = (2, 4, 7)
MOTIONS = {"left": (-1, 0), "right": (1, 0), "turning left": (0, 15), "turning right": (0, -15)}
"""Pixels to the right and degrees anticlockwise, a frame."""
SIDE = 16
NOISE = 0.15
LONGEST_WAIT = 0.6
"""Share of a video, at most."""


def moving_digits() -> dict[str, list[Clip]]:
    """The splits, the same in every run: each image of scikit-learn's digits once in each motion.

    Place and angle at the beginning are random, and what leaves the frame comes in again on the
    other side, so that a frame says nothing about the motion. The images of a digit are cut in
    their order, 60, 20 and 20 %: no handwriting is in two splits.
    """
    from sklearn.datasets import load_digits  # It takes seconds.

    digits, rng = load_digits(), np.random.default_rng(0)
    splits: dict[str, list[Clip]] = {split: [] for split in SPLITS}
    for digit in DIGITS:
        images = digits.images[digits.target == digit] / 16
        for n, image in enumerate(images):
            split = SPLITS[max(0, 5 * n // len(images) - 2)]
            for motion in MOTIONS:
                place = f"{split} {digit} {motion} {n}"
                frames = moving(image, motion, rng)
                splits[split].append(Clip(frames, f"{digit} {motion}", place))
    return splits


def moving(image: np.ndarray, motion: str, rng: np.random.Generator) -> np.ndarray:
    """A video of an image `[8, 8]` from 0 to 1: uint8 `[T, 16, 16]`, T from 10 to 20."""
    from scipy import ndimage

    steps = int(rng.integers(10, 21))
    wait = int(rng.uniform(0, LONGEST_WAIT) * steps)
    moved = np.maximum(np.arange(steps) - wait, 0)
    (right, degrees), (down, start) = MOTIONS[motion], rng.uniform(0, SIDE, 2)
    canvas = np.pad(image, (SIDE - len(image)) // 2)
    angle = rng.uniform(-30, 30)
    frames = [
        ndimage.shift(
            ndimage.rotate(canvas, angle + degrees * n, reshape=False, order=1),
            (down, start + right * n),
            order=1,
            mode="grid-wrap",
        )
        for n in moved.tolist()
    ]
    noisy = np.stack(frames) + rng.normal(scale=NOISE, size=(steps, SIDE, SIDE))
    return (255 * np.clip(noisy, 0, 1)).astype(np.uint8)
