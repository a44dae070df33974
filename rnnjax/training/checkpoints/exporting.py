"""A trained model in a folder that travels: a checkpoint whose parameters are in safetensors."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from rnnjax.interchange.files import write_safetensors
from rnnjax.training import atomic_files
from rnnjax.training.checkpoints.reading import (
    META,
    META_KEYS,
    SAFETENSORS,
    find_checkpoint,
    parameters_in,
    read_checkpoint,
    tensor_name,
)
from rnnjax.training.checkpoints.workdir import MARKER, read_owner


def write_export(workdir: str | Path, folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Writes the parameters of a run's best checkpoint, and what makes a model of them.

    `rnnjax.load`, the modes of the experiment and `--restore_from` read the folder as they do a
    workdir.

    Args:
        workdir: of the run.
        folder: where they go; what an export wrote there before is replaced.
        files: contents of further files by name, which may be changed later.

    Raises:
        UserError: there is no intact checkpoint, or the folder cannot be written.
    """
    arrays, meta = read_checkpoint(find_checkpoint(workdir, "best"))
    params = parameters_in(arrays)
    shapes = {f"params/{name}": (a.shape, a.dtype.name) for name, a in params.items()}
    fields = dict(zip(META_KEYS, meta._replace(position=None, best_so_far={}), strict=True))
    new = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    with atomic_files.writing(folder):
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        write_safetensors(
            new / SAFETENSORS,
            {tensor_name(name): a for name, a in params.items()},
            {"format": "np"},
        )
        atomic_files.write_json(new / META, {**fields, "arrays": shapes})
        atomic_files.seal(new)
        atomic_files.write_json(new / MARKER, {"experiment": read_owner(workdir)})
        for name, content in files.items():
            encoded = content.encode() if isinstance(content, str) else content
            atomic_files.write_bytes(new / name, encoded)
        if folder.exists():
            atomic_files.discard(folder)
        atomic_files.publish(new, folder)
