"""Finding the intact checkpoints in a folder, and reading them: states, parameters, models."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax.errors import UserError, check_known
from rnnjax.interchange.files import read_safetensors
from rnnjax.training import atomic_files
from rnnjax.training.checkpoints.arrays import FlatArrays, read_arrays, unflatten
from rnnjax.training.reporting.progress import say

PyTree = Any
Config = TypeVar("Config")
Model = TypeVar("Model", bound=nnx.Module)
META = "meta.json"
ARRAYS = "arrays"
SAFETENSORS = "model.safetensors"
"""In place of the arrays, where a checkpoint was exported."""
FOLDER = "checkpoints"


class Meta(NamedTuple):
    """The contents of a checkpoint besides its arrays; all of it JSON.

    Attributes:
        step: updates made.
        score: of the evaluation at this step, lower is better; None: there was none.
        extra: what the experiment needs to use the parameters, such as a vocabulary.
        position: of the data iterator.
        best_so_far: the fields of `BestSoFar`.
    """

    step: int
    score: float | None
    config: dict[str, Any]
    extra: dict[str, Any]
    position: Any
    best_so_far: dict[str, Any]


META_KEYS = ("step", "score", "config", "extra", "position", "standing")
"""The names of the fields of `Meta` in the file, in their order."""


def find_checkpoint(folder: str | os.PathLike, which: str = "latest") -> Path:
    """Finds an intact checkpoint.

    Args:
        folder: a workdir, its ``checkpoints`` folder, or one checkpoint.
        which: 'latest', or 'best' by its score (the latest where none has a score).

    Returns:
        The folder of the checkpoint. Damaged ones that are passed over are printed.

    Raises:
        UserError: there is none, or none is intact; `which` is neither.
    """
    check_known("checkpoint", which, ("latest", "best"))
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
    best = best_of(list(intact(paths))) if which == "best" else None
    found = best or next(intact(paths), None)
    if found is None:
        raise UserError(f"No checkpoint in {root} is intact.")
    return found


def read_meta(folder: str | os.PathLike, which: str = "latest") -> Meta:
    """Reads what a checkpoint holds besides its arrays; arguments as in `find_checkpoint`."""
    return _read_meta(find_checkpoint(folder, which))[0]


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

    Raises:
        UserError: there is no intact checkpoint, or it does not fit `template`.
    """
    path = find_checkpoint(folder, which)
    params = parameters_in(read_checkpoint(path)[0], averaged=averaged)
    if template is None:
        return {name: jnp.array(array, copy=True) for name, array in params.items()}
    return unflatten(template, params, str(path))


def read_run(
    workdir: str | Path, config_class: type[Config], config: Config | None = None
) -> tuple[Config, dict[str, Any]]:
    """The config of a run, where it is not given, and what its newest checkpoint holds as extra.

    What there was no setting for when the run began has its default.

    Raises:
        UserError: there is no intact checkpoint.
    """
    meta = read_meta(workdir)
    if config is not None:
        return config, meta.extra
    known = {field.name for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    config = config_class(**{key: meta.config[key] for key in known & meta.config.keys()})
    return config, meta.extra


def restore_model(workdir: str | Path, make: Callable[..., Model], *args: Any) -> Model:
    """The model `make(*args)` with the parameters of the best checkpoint; none of them is drawn.

    Raises:
        UserError: there is no intact checkpoint, or it does not fit.
    """
    graph, shapes = nnx.split(nnx.eval_shape(lambda: make(*args)), nnx.Param)
    return nnx.merge(graph, restore_params(workdir, shapes))


def parameters_in(arrays: FlatArrays, *, averaged: bool = True) -> FlatArrays:
    """The parameters among the arrays of a checkpoint, by path; averaged ones if there are any."""
    has_average = any(name.startswith("ema/") for name in arrays)
    prefix = "ema/" if averaged and has_average else "params/"
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}


def tensor_name(path: str) -> str:
    """The name of a parameter in safetensors: `head.kernel` for the path `head/kernel/value`."""
    return ".".join(part for part in path.split("/") if part != "value")


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints in a folder, intact or not."""
    return sorted(folder.glob("step_????????"), reverse=True)


def best_of(paths: list[Path]) -> Path | None:
    """The one with the lowest score, the earliest of equals; those without a score do not count."""
    scored = []
    for path in paths:
        with suppress(UserError, ValueError, KeyError):
            scored.append((_read_meta(path)[0].score, path))
    return min(((score, path) for score, path in scored if score is not None), default=(0, None))[1]


def intact(paths: list[Path], set_aside: bool = False) -> Iterator[Path]:
    """The intact checkpoints; the others are printed and, with `set_aside`, renamed."""
    for path in paths:
        fault = atomic_files.find_fault(path)
        if fault is None:
            yield path
            continue
        if not path.exists():  # the training, which goes on, has removed it
            continue
        say(f"The checkpoint {path} is damaged: {fault}. Looking for another one.")
        if set_aside:
            damaged = path.with_name(f"damaged-{path.name}")
            with atomic_files.writing(damaged):
                if damaged.exists():
                    atomic_files.discard(damaged)
                os.rename(path, damaged)


def read_checkpoint(path: Path) -> tuple[FlatArrays, Meta]:
    """The arrays of a checkpoint, and what it holds besides."""
    meta, shapes = _read_meta(path)
    if (path / SAFETENSORS).exists():
        tensors = read_safetensors(path / SAFETENSORS)
        return {name: tensors[tensor_name(name.removeprefix("params/"))] for name in shapes}, meta
    stored = read_arrays(path / ARRAYS, (n for n, (shape, _) in shapes.items() if 0 not in shape))
    arrays = {
        name: np.asarray(stored[name]) if name in stored else np.zeros(shape, jnp.dtype(dtype))
        for name, (shape, dtype) in shapes.items()
    }
    return arrays, meta


def _read_meta(path: Path) -> tuple[Meta, dict[str, Any]]:
    """With the shapes and dtypes of the arrays, by path."""
    fields = atomic_files.read_json(path / META)
    return Meta(*(fields[key] for key in META_KEYS)), fields["arrays"]
