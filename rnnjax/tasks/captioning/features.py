"""The feature maps of images, computed once and read one at a time ever after."""

import hashlib
import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import jax
import numpy as np
from flax import nnx
from tqdm import tqdm

from rnnjax.data.images import ResizePolicy, Skipped, check_resizing
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.corpora import CaptionedImage, read_images
from rnnjax.tasks.captioning.feature_cache import DTYPE, FeatureCache
from rnnjax.tasks.captioning.feature_maps import Features
from rnnjax.typing import Array

T = TypeVar("T")

BATCHES_A_CHUNK = 8

_log = logging.getLogger(__name__)


class Encoder(Protocol):
    """An `nnx.Module` that makes features of square images.

    Attributes:
        side: height and width of the images, in pixels.
        grid: rows and columns of locations.
        output_size: F, features a location.
    """

    side: int
    grid: tuple[int, int]
    output_size: int

    def __call__(self, images: Any) -> Array:
        """Features `[B, S, F]` of images `[B, side, side, 3]`, uint8."""


def features_of(
    images: Sequence[CaptionedImage],
    encoder: Encoder,
    *,
    policy: ResizePolicy,
    cache_dir: str | Path,
    batch_size: int = 32,
    skip_faulty: bool = False,
) -> Features:
    """The features of images, from the cache or by an encoder.

    An image is known by its bytes, and an encoder by its class and all of its numbers: a changed
    image, or an encoder that learned something, has no features in the cache yet. They are kept as
    float16, `BATCHES_A_CHUNK` batches in a file; a process killed half-way loses the file that it
    was about to write, and what was there is used by the next.

    Args:
        images: with captions or without.
        encoder: makes the features.
        policy: how what is not square is made so; see `rnnjax.data.images.decode_image`.
        cache_dir: the folder of the cache. It may serve many encoders, policies and corpora.
        batch_size: images that the encoder sees at once.
        skip_faulty: an image that cannot be read is left out; otherwise it is an error.

    Returns:
        The features of all images, or of those that are not faulty.

    Raises:
        UserError: an image cannot be read, the cache is damaged, or float16 cannot hold a feature.
    """
    check_resizing(encoder.side, policy)
    about: dict[str, Any] = {
        "encoder": type(encoder).__name__,
        "weights": fingerprint(encoder),
        "policy": policy,
        "side": encoder.side,
        "grid": list(encoder.grid),
        "output_size": encoder.output_size,
    }
    name = f"{about['encoder']}-{about['weights'][:12]}-{encoder.side}-{policy}"
    shape = (encoder.grid[0] * encoder.grid[1], encoder.output_size)
    cache = FeatureCache(Path(cache_dir).expanduser() / name, about, shape)

    keys = _keys(images, skip_faulty)
    missing = {
        key: image
        for key, image in zip(keys, images, strict=True)
        if isinstance(key, str) and key not in cache
    }
    _log.info("%d images, features of %d are not in %s", len(images), len(missing), cache_dir)
    faults = _fill(cache, encoder, missing, policy, batch_size, skip_faulty)

    found = [faults.get(key, key) if isinstance(key, str) else key for key in keys]
    places = [cache.place(key) for key in found if isinstance(key, str)]
    return Features(
        images=tuple(i for i, key in zip(images, found, strict=True) if isinstance(key, str)),
        grid=encoder.grid,
        output_size=encoder.output_size,
        skipped=tuple(key for key in found if isinstance(key, Skipped)),
        read=lambda index: cache.at(places[index]),
    )


def fingerprint(encoder: Encoder) -> str:
    """The SHA-256 of all numbers of an encoder and their names."""
    digest = hashlib.sha256()
    numbers = nnx.to_pure_dict(nnx.state(encoder))
    for path, leaf in jax.tree_util.tree_leaves_with_path(numbers):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _keys(images: Sequence[CaptionedImage], skip_faulty: bool) -> list[str | Skipped]:
    """The SHA-256 of each image's bytes, or a record of an image that cannot be read."""
    keys: list[str | Skipped] = []
    for image in tqdm(images, "known images", unit="image", disable=None, delay=2):
        try:
            keys.append(hashlib.sha256(image.encoded()).hexdigest())
        except UserError as error:
            if not skip_faulty:
                raise
            keys.append(Skipped(image.image, str(error)))
    return keys


def _fill(
    cache: FeatureCache,
    encoder: Encoder,
    missing: Mapping[str, CaptionedImage],
    policy: ResizePolicy,
    batch_size: int,
    skip_faulty: bool,
) -> dict[str, Skipped]:
    """Adds the features of images to the cache; gives a record of those that are faulty."""
    graph, state = nnx.split(encoder)
    run = jax.jit(lambda state, pixels: nnx.merge(graph, state)(pixels))
    faults: dict[str, Skipped] = {}
    with tqdm(total=len(missing), desc="features", unit="image", disable=None) as bar:
        for chunk in _groups(missing.items(), batch_size * BATCHES_A_CHUNK):
            keys: list[str] = []
            outputs = []
            for batch in _groups(chunk, batch_size):
                pixels = np.zeros((batch_size, encoder.side, encoder.side, 3), np.uint8)
                first = len(keys)
                read = read_images(
                    [image for _, image in batch],
                    size=encoder.side,
                    policy=policy,
                    skip_faulty=skip_faulty,
                )
                for (key, _), image in zip(batch, read, strict=True):
                    if isinstance(image, Skipped):
                        faults[key] = image
                    else:
                        pixels[len(keys) - first] = image
                        keys.append(key)
                outputs.append(run(state, pixels)[: len(keys) - first])
                bar.update(len(batch))
            if keys:
                cache.add(keys, _as_float16(np.concatenate(outputs)))
    return faults


def _groups(things: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(things)
    while group := list(itertools.islice(iterator, size)):
        yield group


def _as_float16(features: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        narrow = features.astype(DTYPE)
    if not np.isfinite(narrow).all():
        raise UserError(
            f"features are kept as float16, up to {np.finfo(DTYPE).max:.0f}, and this encoder "
            f"gives {np.abs(features).max():.4g}"
        )
    return narrow
