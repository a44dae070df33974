"""Checkpoints: saved by Orbax, sealed by checksums, kept by recency and score.

A checkpoint is a folder ``step_00001200`` with

- ``arrays/``: all arrays of the training state by path (see `flat`), written by Orbax;
- ``meta.json``: the rest (see `Meta`);
- ``manifest.json``: the SHA-256 of every other file.

It is written under another name, the manifest last, brought to the disk and renamed. So a
process killed at any instant leaves only whole checkpoints under their names, and what happens to
the files later is found by the checksums.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.errors import UserError
from rnnjax.training import storage
from rnnjax.training.arrays import read_arrays, write_arrays
from rnnjax.training.flat import FlatArrays, flatten, subtree, unflatten
from rnnjax.training.processes import from_first
from rnnjax.training.progress import say

PyTree = Any
META = "meta.json"
ARRAYS = "arrays"
FOLDER = "checkpoints"


class Meta(NamedTuple):
    """What a checkpoint knows besides its arrays; all of it JSON.

    Attributes:
        step: updates made.
        score: of the evaluation at this step, lower is better; None: there was none.
        config: of the run.
        extra: whatever else the experiment needs to use the parameters, a vocabulary for one.
        position: of the data iterator.
        standing: what the training loop remembers (see `standing.Standing`).
    """

    step: int
    score: float | None
    config: dict[str, Any]
    extra: dict[str, Any]
    position: Any
    standing: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they are; made at the first save.
        keep_last: how many of the newest to keep, besides the best.
    """

    def __init__(self, folder: Path, keep_last: int = 3):
        if keep_last < 1:
            raise UserError(f"keep_last must be 1 or more, not {keep_last}.")
        self.folder = folder
        self._keep_last = keep_last

    def path(self, step: int) -> Path:
        """Where the checkpoint of `step` is, or would be."""
        return self.folder / f"step_{step:08d}"

    def newest(self) -> Path | None:
        """The newest checkpoint, whole or not."""
        return next(iter(_newest_first(self.folder)), None)

    def save(self, state: PyTree, meta: Meta) -> Path:
        """Saves a checkpoint, then removes those that are neither recent nor the best.

        Where several processes train, all must call it.

        Raises:
            UserError: it cannot be written; older checkpoints stay as they are.
        """
        target = self.path(meta.step)
        temporary = self.folder / f".unfinished-{target.name}"
        arrays = flatten(state)
        shapes = {name: [list(a.shape), str(a.dtype)] for name, a in arrays.items()}

        def begin() -> None:
            with storage.writing(target):
                self._clean()
                temporary.mkdir(parents=True)

        def finish() -> None:
            with storage.writing(target):
                storage.write_json(temporary / META, {**meta._asdict(), "arrays": shapes})
                storage.seal(temporary)
                storage.publish(temporary, target)

        def prune() -> None:
            with storage.writing(target):
                for path in self._superfluous():
                    storage.discard(path)

        from_first(begin)
        try:
            with storage.writing(target):
                write_arrays(temporary / ARRAYS, arrays)
            from_first(finish)
        except Exception:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        from_first(prune)
        return target

    def restore(self, template: PyTree) -> tuple[PyTree, Meta] | None:
        """Restores the newest whole checkpoint; damaged ones are named aloud and set aside.

        Args:
            template: a state of the structure, shapes and dtypes expected.

        Returns:
            The state and its meta, or None where there is no checkpoint at all.

        Raises:
            UserError: there are checkpoints but none is whole, or it does not fit `template`.
        """
        name = from_first(self._newest_whole)
        if name is None:
            return None
        path = self.folder / name
        if not path.exists():
            raise UserError(
                f"{path} is there for process 0, but not for process {jax.process_index()}: all "
                "processes need a workdir that they share"
            )
        arrays, meta = _read(path)
        return unflatten(template, arrays, str(path)), meta

    def _newest_whole(self) -> str | None:
        if self.newest() is None:
            return None
        path = next(_whole(_newest_first(self.folder), aside=True), None)
        if path is None:
            raise UserError(f"No checkpoint in {self.folder} is whole.")
        return path.name

    def _superfluous(self) -> list[Path]:
        paths = _newest_first(self.folder)
        best = _best(paths)
        return [path for path in paths[self._keep_last :] if path != best]

    def _clean(self) -> None:
        for pattern in (".unfinished-*", ".discarded-*"):
            for path in self.folder.glob(pattern):
                shutil.rmtree(path)


def find_checkpoint(folder: str | os.PathLike, which: str = "latest") -> Path:
    """Finds a whole checkpoint.

    Args:
        folder: a workdir, its ``checkpoints`` folder, or one checkpoint.
        which: 'latest', or 'best' by its score (the latest where none has a score).

    Returns:
        The folder of the checkpoint. Damaged ones on the way to it are named aloud.

    Raises:
        UserError: there is none, or none is whole.
    """
    if which not in ("latest", "best"):
        raise UserError(f"A checkpoint is chosen by 'latest' or 'best', not '{which}'.")
    root = Path(folder).absolute()
    if (root / META).exists() or (root / storage.MANIFEST).exists():
        if fault := storage.find_fault(root):
            raise UserError(f"The checkpoint {root} is damaged: {fault}.")
        return root
    if (root / FOLDER).is_dir():
        root = root / FOLDER
    paths = _newest_first(root)
    if not paths:
        raise UserError(f"No checkpoint in {folder}: expected a workdir or a checkpoint folder.")
    best = _best(list(_whole(paths))) if which == "best" else None
    found = best or next(_whole(paths), None)
    if found is None:
        raise UserError(f"No checkpoint in {root} is whole.")
    return found


def read_meta(folder: str | os.PathLike, which: str = "latest") -> Meta:
    """Reads what a checkpoint knows besides its arrays; arguments as in `find_checkpoint`."""
    return _read_meta(find_checkpoint(folder, which))


def read_config(folder: str | os.PathLike, which: str = "latest") -> dict[str, Any]:
    """Reads the config that a checkpoint was trained with; arguments as in `find_checkpoint`."""
    return read_meta(folder, which).config


def restore_params(
    folder: str | os.PathLike,
    template: PyTree = None,
    *,
    which: str = "best",
    averaged: bool = True,
) -> PyTree:
    """Restores a checkpoint's parameters alone, to use them or to start a new run from them.

    Args:
        folder: a workdir, its ``checkpoints`` folder, or one checkpoint.
        template: parameters of the structure expected; None: a flat dictionary by path.
        which: 'best' or 'latest'.
        averaged: take the averaged parameters where the checkpoint has them.

    Returns:
        The parameters.

    Raises:
        UserError: there is no whole checkpoint, or it does not fit `template`.
    """
    path = find_checkpoint(folder, which)
    arrays, _ = _read(path)
    params = (averaged and subtree(arrays, "ema")) or subtree(arrays, "params")
    if template is None:
        return {name: jnp.array(array, copy=True) for name, array in params.items()}
    return unflatten(template, params, str(path))


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_????????"), reverse=True)


def _best(paths: list[Path]) -> Path | None:
    """The one with the lowest score, the earliest of equals; what has no score is left out."""
    scored = []
    for path in paths:
        with suppress(OSError, ValueError, KeyError):
            scored.append((_read_meta(path).score, path))
    return min(((score, path) for score, path in scored if score is not None), default=(0, None))[1]


def _whole(paths: list[Path], aside: bool = False) -> Iterator[Path]:
    for path in paths:
        fault = storage.find_fault(path)
        if fault is None:
            yield path
            continue
        say(f"The checkpoint {path} is damaged: {fault}. Looking for another one.")
        if aside:
            damaged = path.with_name(f"damaged-{path.name}")
            with storage.writing(damaged):
                if damaged.exists():
                    storage.discard(damaged)
                os.rename(path, damaged)


def _read(path: Path) -> tuple[FlatArrays, Meta]:
    shapes = json.loads((path / META).read_text(encoding="utf-8"))["arrays"]
    stored = read_arrays(path / ARRAYS, (n for n, (shape, _) in shapes.items() if 0 not in shape))
    arrays = {
        name: np.asarray(stored[name]) if name in stored else np.zeros(shape, jnp.dtype(dtype))
        for name, (shape, dtype) in shapes.items()
    }
    return arrays, _read_meta(path)


def _read_meta(path: Path) -> Meta:
    fields = json.loads((path / META).read_text(encoding="utf-8"))
    return Meta(**{name: fields[name] for name in Meta._fields})
