"""Trained models: from the folder of a run to a model with its parameters."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from flax import nnx

from rnnjax.training.checkpoints.reading import read_meta, restore_params

Config = TypeVar("Config")
Model = TypeVar("Model", bound=nnx.Module)


def read_run(workdir: str | Path, config_class: type[Config]) -> tuple[Config, dict[str, Any]]:
    """The config of a run, and what else its checkpoints hold besides parameters.

    What there was no setting for when the run began has its default.

    Raises:
        UserError: there is no intact checkpoint.
    """
    meta = read_meta(workdir)
    known = {field.name for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    config = config_class(**{key: meta.config[key] for key in known & meta.config.keys()})
    return config, meta.extra


def restore_model(workdir: str | Path, make: Callable[..., Model], *args: Any) -> Model:
    """The model `make(*args)` with the parameters of the best checkpoint.

    Args:
        workdir: of the run.
        make: makes the model; of its parameters only the shapes are used, and none is drawn.
        *args: what it takes.

    Raises:
        UserError: there is no intact checkpoint, or it does not fit.
    """
    graph, shapes = nnx.split(nnx.eval_shape(lambda: make(*args)), nnx.Param)
    return nnx.merge(graph, restore_params(workdir, shapes))
