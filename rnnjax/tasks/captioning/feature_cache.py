"""Feature maps on the disk, by the content of the image that each belongs to."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.mapped_files import Reopened, mapped
from rnnjax.training.atomic_files import read_json, write_bytes, write_json

FORMAT = 1
DTYPE = np.dtype("<f2")

_ABOUT = "about.json"


class Place(NamedTuple):
    """Where a feature map is: the number of its chunk, and its row in there."""

    chunk: int
    row: int


class FeatureCache:
    """A folder of feature maps by one encoder, in chunks that are whole or absent.

    A chunk is `NAME.npy`, float16 `[n, S, F]`, and `NAME.json`, written after it: the keys of its
    n images and the array's SHA-256. NAME is made of both, so that several processes may write at
    once. `about.json` says whose features these are.
    """

    def __init__(self, folder: Path, about: dict[str, Any], shape: tuple[int, int]):
        """Opens a cache, or begins one.

        Args:
            folder: of this encoder's features alone.
            about: what makes features the same: encoder, resize policy and the like.
            shape: S and F.

        Raises:
            UserError: the folder is somebody else's, damaged or cannot be written.
        """
        self._folder, self._shape = folder, shape
        self._chunks: list[Reopened[np.ndarray]] = []
        self._places: dict[str, Place] = {}
        about = {"format": FORMAT, **about}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make the folder {folder}: {error.strerror}") from error
        if (folder / _ABOUT).exists():
            _check_owner(folder, read_json(folder / _ABOUT), about)
        else:
            write_json(folder / _ABOUT, about)
        for path in sorted(folder.glob("*.json")):
            if path.name != _ABOUT:
                self._open(path)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def place(self, key: str) -> Place:
        """Where the features of an image are, for `at`."""
        return self._places[key]

    def at(self, place: Place) -> np.ndarray:
        """The features at a place, float16 `[S, F]`, in the file's memory map."""
        return self._chunks[place.chunk].get()[place.row]

    def add(self, keys: Sequence[str], features: np.ndarray) -> None:
        """Writes a chunk.

        Args:
            keys: of the images.
            features: float16 `[n, S, F]`.

        Raises:
            UserError: it cannot be written; what was there is whole.
        """
        features = np.ascontiguousarray(features, DTYPE)
        digest = hashlib.sha256(features.data).hexdigest()
        name = hashlib.sha256("".join([*keys, digest]).encode()).hexdigest()[:16]
        write_bytes(self._folder / f"{name}.npy", _npy(features))
        write_json(self._folder / f"{name}.json", {"keys": list(keys), "sha256": digest})
        self._open(self._folder / f"{name}.json")

    def _open(self, path: Path) -> None:
        try:
            header = read_json(path)
            keys, digest = list(header["keys"]), header["sha256"]
            opened = Reopened(mapped, path.with_suffix(".npy"))
        except (UserError, OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(path, str(error)) from error
        chunk, expected = opened.get(), (len(keys), *self._shape)
        if chunk.shape != expected or chunk.dtype != DTYPE:
            raise _damaged(path, f"it holds {chunk.dtype} {chunk.shape}, not {DTYPE} {expected}")
        if hashlib.sha256(chunk.data).hexdigest() != digest:
            raise _damaged(path, "its SHA-256 differs")
        for row, key in enumerate(keys):
            self._places[key] = Place(len(self._chunks), row)
        self._chunks.append(opened)


def _check_owner(folder: Path, found: Any, about: dict[str, Any]) -> None:
    if found == about:
        return
    found = found if isinstance(found, dict) else {}
    differing = [name for name in about if found.get(name) != about[name]]
    name = differing[0] if differing else "format"
    raise UserError(
        f"the features in {folder} were made otherwise: their {name} is {found.get(name)!r}, not "
        f"{about[name]!r}. Choose another cache folder, or remove this one"
    )


def _damaged(path: Path, reason: str) -> UserError:
    pair = f"{path.with_suffix('.npy')} and {path.name}"
    return UserError(
        f"cached features are damaged: {pair} ({reason}). Remove the two; the features in them are "
        f"then computed again"
    )


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=False)
    return file.getvalue()
