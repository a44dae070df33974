"""Feature maps of images: computed by an encoder once, and kept in a cache on the disk."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx
from tqdm import tqdm

from rnnjax.data.images import ResizePolicy
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.captioned_images import CaptionedImage, read_images
from rnnjax.tasks.captioning.efficientnet import EfficientNetLite0
from rnnjax.training.atomic_files import writing

BATCH_SIZE = 32
"""Images that the encoder sees at once."""


class Features(NamedTuple):
    """The feature maps of images.

    Attributes:
        images: those that have features, in the order in which they were given.
        take: gives the features of an image by its index, `[S, F]`.
        skipped: what is wrong with the images that were left out.
    """

    images: list[CaptionedImage]
    take: Callable[[int], np.ndarray]
    skipped: list[str]


def features_of(
    images: Sequence[CaptionedImage],
    encoder: EfficientNetLite0,
    *,
    policy: ResizePolicy,
    cache_dir: str | Path,
    skip_faulty: bool = False,
) -> Features:
    """The features of images, from the cache or by an encoder.

    The cache identifies an image by its bytes, and an encoder by its class and all of its
    parameters: a changed image or a retrained encoder has no features in the cache yet. Each image
    has a file, written at once: a process that is killed loses none that it has written.

    Args:
        encoder: makes the features, of images of its `side`.
        policy: how images are made square.
        cache_dir: the folder of the cache. It may serve many encoders, policies and corpora.
        skip_faulty: an image that cannot be read is left out; otherwise it is an error.

    Returns:
        The features of all images, or of those that are not faulty, float16.

    Raises:
        UserError: an image cannot be read, or the cache cannot be written.
    """
    name = f"{type(encoder).__name__}-{_fingerprint(encoder)[:12]}-{encoder.side}-{policy}"
    folder = Path(cache_dir).expanduser().absolute() / name
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    known, files, skipped = read_images(
        tqdm(images, "known images", unit="image", disable=None, delay=2),
        lambda image: folder / f"{hashlib.sha256(image.encoded()).hexdigest()}.npy",
        skip_faulty=skip_faulty,
    )
    pairs = list(zip(known, files, strict=True))
    missing = {file: image for image, file in pairs if not file.exists()}
    skipped += _compute(missing, encoder, policy, skip_faulty)
    pairs = [(image, file) for image, file in pairs if file.exists()]
    return Features([image for image, _ in pairs], lambda n: _read(pairs[n][1]), skipped)


def _read(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"cached features are damaged: {path} ({error}). Remove it and start again: then "
            "they are computed anew"
        ) from error


def _compute(
    missing: dict[Path, CaptionedImage],
    encoder: EfficientNetLite0,
    policy: ResizePolicy,
    skip_faulty: bool,
) -> list[str]:
    """Writes the features of images; returns what is wrong with those that are faulty."""
    graph, state = nnx.split(encoder)
    run = jax.jit(lambda state, pixels: nnx.merge(graph, state)(pixels))
    side, file_of = encoder.side, {image.image: file for file, image in missing.items()}
    faults: list[str] = []
    with tqdm(total=len(missing), desc="features", unit="image", disable=None) as bar:
        for first in range(0, len(missing), BATCH_SIZE):
            group = list(missing.values())[first : first + BATCH_SIZE]
            images, pixels, faulty = read_images(
                group, lambda image: image.pixels(side, policy), skip_faulty=skip_faulty
            )
            faults += faulty
            batch = np.zeros((BATCH_SIZE, side, side, 3), np.uint8)
            for row, image_pixels in enumerate(pixels):
                batch[row] = image_pixels
            features = np.asarray(run(state, batch)).astype(np.float16)
            for image, values in zip(images, features, strict=False):
                _write(file_of[image.image], values)
            bar.update(len(group))
    return faults


def _fingerprint(encoder: EfficientNetLite0) -> str:
    """The SHA-256 of the names and values of all parameters of an encoder."""
    digest = hashlib.sha256()
    params = nnx.to_pure_dict(nnx.state(encoder))
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _write(path: Path, features: np.ndarray) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with writing(path):
        with open(temporary, "wb") as file:
            np.save(file, features, allow_pickle=False)
        os.replace(temporary, path)
