"""What is in a folder of checkpoints: finding the whole ones, and reading them."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnjax.errors import UserError
from rnnjax.training import atomic_files
from rnnjax.training.checkpoints.arrays import read_arrays
from rnnjax.training.checkpoints.flat_arrays import FlatArrays, subtree, unflatten
from rnnjax.training.reporting.progress import say

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
    if (root / META).exists() or (root / atomic_files.MANIFEST).exists():
        if fault := atomic_files.find_fault(root):
            raise UserError(f"The checkpoint {root} is damaged: {fault}.")
        return root
    if (root / FOLDER).is_dir():
        root = root / FOLDER
    paths = newest_first(root)
    if not paths:
        raise UserError(f"No checkpoint in {folder}: expected a workdir or a checkpoint folder.")
    best = best_of(list(whole(paths))) if which == "best" else None
    found = best or next(whole(paths), None)
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
    arrays, _ = read_checkpoint(path)
    params = (averaged and subtree(arrays, "ema")) or subtree(arrays, "params")
    if template is None:
        return {name: jnp.array(array, copy=True) for name, array in params.items()}
    return unflatten(template, params, str(path))


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints in a folder, whole or not."""
    return sorted(folder.glob("step_????????"), reverse=True)


def best_of(paths: list[Path]) -> Path | None:
    """The one with the lowest score, the earliest of equals; what has no score is left out."""
    scored = []
    for path in paths:
        with suppress(OSError, ValueError, KeyError):
            scored.append((_read_meta(path).score, path))
    return min(((score, path) for score, path in scored if score is not None), default=(0, None))[1]


def whole(paths: list[Path], aside: bool = False) -> Iterator[Path]:
    """Those that are whole; the others are named aloud and, with `aside`, renamed."""
    for path in paths:
        fault = atomic_files.find_fault(path)
        if fault is None:
            yield path
            continue
        say(f"The checkpoint {path} is damaged: {fault}. Looking for another one.")
        if aside:
            damaged = path.with_name(f"damaged-{path.name}")
            with atomic_files.writing(damaged):
                if damaged.exists():
                    atomic_files.discard(damaged)
                os.rename(path, damaged)


def read_checkpoint(path: Path) -> tuple[FlatArrays, Meta]:
    """All that is in one checkpoint."""
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
