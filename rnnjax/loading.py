"""Trained models of any task."""

import importlib
import os
import pkgutil
from pathlib import Path
from typing import Any

from rnnjax.errors import UserError


def load(workdir: str | os.PathLike, config: Any = None) -> Any:
    """The trained model of a run, with the parameters of its best checkpoint.

    ```python
    writer = rnnjax.load("runs/char_lm")           # TextModel
    print(writer.write("The ", length=100)[0])
    ```

    Args:
        workdir: the folder of a run of any experiment whose task is a room of `rnnjax.tasks`.
        config: of the run, where it is known.

    Returns:
        What the `load` of the task's room returns: a `TextModel`, a `TextTagger`, an
        `ImageCaptioner` and the like. Its `model` is the flax.nnx module.

    Raises:
        UserError: the folder holds no run with an intact checkpoint, or no task of rnnjax has its
            experiment.
    """
    from rnnjax import tasks
    from rnnjax.training.checkpoints.workdir import read_owner

    workdir = Path(workdir)
    name = read_owner(workdir)
    for room in pkgutil.iter_modules(tasks.__path__, f"{tasks.__name__}."):
        module = importlib.import_module(room.name).LOADED_BY.get(name)
        if module is not None:
            return importlib.import_module(f"{room.name}.{module}").load(workdir, config)
    raise UserError(f"{workdir} holds the experiment '{name}', which no task of rnnjax loads")
