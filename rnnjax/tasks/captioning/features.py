"""Feature maps of images: computed by an encoder once, and kept in a cache on the disk."""

import hashlib
import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import jax
import numpy as np
from flax import nnx
from tqdm import tqdm

from rnnjax.data.images import ResizePolicy, Skipped, check_resizing
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.captioned_images import CaptionedImage, read_images
from rnnjax.training.atomic_files import read_json, write_bytes, write_json
from rnnjax.typing import Array

T = TypeVar("T")

BATCHES_A_CHUNK = 8
FORMAT = 1
DTYPE = np.dtype("<f2")

_ABOUT = "about.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Features:
    """The feature maps of images, read one by one.

    Attributes:
        images: those that have features, in the order in which they were given.
        grid: rows and columns of locations; S = rows * columns.
        output_size: F, features a location.
        skipped: the images that were left out.
        read: gives the features of the image with a number, `[S, F]`.
    """

    images: tuple[CaptionedImage, ...]
    grid: tuple[int, int]
    output_size: int
    skipped: tuple[Skipped, ...]
    read: Callable[[int], np.ndarray] = field(repr=False)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> np.ndarray:
        """The features of an image, `[S, F]`, in the dtype in which they are stored."""
        return self.read(range(len(self))[index])

    def take(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """The features of several images, `[B, S, F]`."""
        return np.stack([self[int(index)] for index in indices])


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

    The cache identifies an image by its bytes, and an encoder by its class and all of its
    parameters: a changed image or a retrained encoder has no features in the cache yet. Features
    are kept as float16, `BATCHES_A_CHUNK` batches in a file; a process that is killed loses the
    file that it was about to write, and the next process uses the others.

    Args:
        images: with captions or without.
        encoder: makes the features.
        policy: how images are made square; see `rnnjax.data.images.decode_image`.
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
        "weights": _fingerprint(encoder),
        "policy": policy,
        "side": encoder.side,
        "grid": list(encoder.grid),
        "output_size": encoder.output_size,
    }
    name = f"{about['encoder']}-{about['weights'][:12]}-{encoder.side}-{policy}"
    shape = (encoder.grid[0] * encoder.grid[1], encoder.output_size)
    cache = _FeatureCache(Path(cache_dir).expanduser() / name, about, shape)

    keys = _keys(images, skip_faulty)
    missing = {
        key: image
        for key, image in zip(keys, images, strict=True)
        if isinstance(key, str) and key not in cache.places
    }
    _log.info("%d images, features of %d are not in %s", len(images), len(missing), cache_dir)
    faults = _compute(cache, encoder, missing, policy, batch_size, skip_faulty)

    found = [faults.get(key, key) if isinstance(key, str) else key for key in keys]
    places = [cache.places[key] for key in found if isinstance(key, str)]

    def read(index: int) -> np.ndarray:
        file, row = places[index]
        return file.get()[row]

    return Features(
        images=tuple(i for i, key in zip(images, found, strict=True) if isinstance(key, str)),
        grid=encoder.grid,
        output_size=encoder.output_size,
        skipped=tuple(key for key in found if isinstance(key, Skipped)),
        read=read,
    )


class ProcessLocalFile(Generic[T]):
    """An open file that can be sent to another process, which opens it again."""

    def __init__(self, opener: Callable[[Path], T], path: Path):
        """Opens the file; raises what `opener` raises."""
        self._opener, self._path = opener, path.absolute()
        self._opened: T | None = opener(path)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_opened": None}

    def get(self) -> T:
        """What `opener` returned in this process."""
        if self._opened is None:
            self._opened = self._opener(self._path)
        return self._opened


def memory_mapped_array(path: Path) -> np.ndarray:
    """The array of an .npy file, in a memory map; raises what numpy raises."""
    return np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)


class _FeatureCache:
    """A folder of feature maps by one encoder, in chunks that are whole or absent.

    A chunk is `NAME.npy`, float16 `[n, S, F]`, and `NAME.json`, written after it: the keys of its
    n images and the array's SHA-256. NAME is made of both, so that several processes may write at
    once. `about.json` says whose features these are.

    Attributes:
        places: for each key the file of its chunk and its row in the file.
    """

    def __init__(self, folder: Path, about: dict[str, Any], shape: tuple[int, int]):
        self._folder, self._shape = folder, shape
        self.places: dict[str, tuple[ProcessLocalFile[np.ndarray], int]] = {}
        about = {"format": FORMAT, **about}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make the folder {folder}: {error.strerror}") from error
        if not (folder / _ABOUT).exists():
            write_json(folder / _ABOUT, about)
        elif (found := read_json(folder / _ABOUT)) != about:
            found = found if isinstance(found, dict) else {}
            name = next((name for name in about if found.get(name) != about[name]), "format")
            raise UserError(
                f"the features in {folder} were made otherwise: their {name} is "
                f"{found.get(name)!r}, not {about[name]!r}. Choose another cache folder, or remove "
                "this one"
            )
        for path in sorted(folder.glob("*.json")):
            if path.name != _ABOUT:
                self._open(path)

    def add(self, keys: Sequence[str], features: np.ndarray) -> None:
        """Writes a chunk: features float16 `[n, S, F]` of n images."""
        digest = hashlib.sha256(features.data).hexdigest()
        name = hashlib.sha256("".join([*keys, digest]).encode()).hexdigest()[:16]
        file = io.BytesIO()
        np.lib.format.write_array(file, features, allow_pickle=False)
        write_bytes(self._folder / f"{name}.npy", file.getvalue())
        write_json(self._folder / f"{name}.json", {"keys": list(keys), "sha256": digest})
        self._open(self._folder / f"{name}.json")

    def _open(self, path: Path) -> None:
        try:
            header = read_json(path)
            keys, digest = list(header["keys"]), header["sha256"]
            file = ProcessLocalFile(memory_mapped_array, path.with_suffix(".npy"))
            chunk, expected = file.get(), (len(keys), *self._shape)
            if chunk.shape != expected or chunk.dtype != DTYPE:
                raise ValueError(f"it holds {chunk.dtype} {chunk.shape}, not {DTYPE} {expected}")
            if hashlib.sha256(chunk.data).hexdigest() != digest:
                raise ValueError("its SHA-256 differs")
        except (UserError, OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"cached features are damaged: {path.with_suffix('.npy')} and {path.name} "
                f"({error}). Remove the two; the features in them are then computed again"
            ) from error
        self.places |= {key: (file, row) for row, key in enumerate(keys)}


def _fingerprint(encoder: Encoder) -> str:
    """The SHA-256 of the names and values of all parameters of an encoder."""
    digest = hashlib.sha256()
    params = nnx.to_pure_dict(nnx.state(encoder))
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
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


def _compute(
    cache: _FeatureCache,
    encoder: Encoder,
    missing: Mapping[str, CaptionedImage],
    policy: ResizePolicy,
    batch_size: int,
    skip_faulty: bool,
) -> dict[str, Skipped]:
    """Adds the features of images to the cache; returns a record of those that are faulty."""
    graph, state = nnx.split(encoder)
    run = jax.jit(lambda state, pixels: nnx.merge(graph, state)(pixels))
    faults: dict[str, Skipped] = {}
    with tqdm(total=len(missing), desc="features", unit="image", disable=None) as bar:
        for chunk in _groups(list(missing.items()), batch_size * BATCHES_A_CHUNK):
            images = read_images(
                [image for _, image in chunk],
                size=encoder.side,
                policy=policy,
                skip_faulty=skip_faulty,
            )
            read: list[tuple[str, np.ndarray]] = []
            for (key, _), image in zip(chunk, images, strict=True):
                if isinstance(image, Skipped):
                    faults[key] = image
                else:
                    read.append((key, image))
                bar.update()
            outputs = []
            for batch in _groups(read, batch_size):
                pixels = np.zeros((batch_size, encoder.side, encoder.side, 3), np.uint8)
                pixels[: len(batch)] = [image for _, image in batch]
                outputs.append(run(state, pixels)[: len(batch)])
            if read:
                cache.add([key for key, _ in read], _as_float16(np.concatenate(outputs)))
    return faults


def _groups(items: list[T], size: int) -> Iterator[list[T]]:
    return (items[first : first + size] for first in range(0, len(items), size))


def _as_float16(features: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        narrow = features.astype(DTYPE)
    if not np.isfinite(narrow).all():
        raise UserError(
            f"features are kept as float16, up to {np.finfo(DTYPE).max:.0f}, and this encoder "
            f"gives {np.abs(features).max():.4g}"
        )
    return narrow
