"""Checkpoints: saved by Orbax, sealed by checksums; the newest ones and the best are kept.

A checkpoint is a folder ``step_00001200`` with

- ``arrays/``: all arrays of the training state by path (see `flatten`), written by Orbax;
- ``meta.json``: the rest (see `Meta`);
- ``manifest.json``: the SHA-256 of every other file.

It is written under another name, the manifest last, synced and renamed. So a process that is killed
at any time leaves only complete checkpoints under their names, and later damage to the files is
found by the checksums.
"""

import shutil
from concurrent import futures
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax

from rnnjax.errors import UserError
from rnnjax.training import atomic_files
from rnnjax.training.atomic_files import format_size
from rnnjax.training.checkpoints.arrays import FlatArrays, flatten, unflatten, write_arrays
from rnnjax.training.checkpoints.reading import (
    ARRAYS,
    META,
    META_KEYS,
    Meta,
    best_of,
    intact,
    newest_first,
    read_checkpoint,
)
from rnnjax.training.processes.group import count, from_first

PyTree = Any
CHANNEL = "checkpoints"


class Checkpoints:
    """The checkpoints of one run in a folder, which is made at the first save.

    So many of the last ones are kept, one at least, and the best.
    """

    def __init__(self, folder: Path, keep_last: int = 3):
        self.folder = folder
        self._keep_last = keep_last
        self._writer = futures.ThreadPoolExecutor(1, "checkpoint")
        self._pending: futures.Future[None] | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finishes a save that has begun, unless everything is to stop at once."""
        if kind is not None and issubclass(kind, Exception) and count() == 1:
            with suppress(UserError):
                self.wait()

    def path(self, step: int) -> Path:
        """Where the checkpoint of `step` is, or would be."""
        return self.folder / f"step_{step:08d}"

    def newest(self) -> Path | None:
        """The newest checkpoint, intact or not."""
        return next(iter(newest_first(self.folder)), None)

    def start_save(self, state: PyTree, meta: Meta) -> None:
        """Saves a checkpoint, then removes those that are neither recent nor the best.

        It waits for the save before, copies the arrays to the host and leaves the rest to a thread:
        the state may be donated at once. Where several processes train, all must call it.

        Raises:
            UserError: the save before could not be written; older checkpoints stay as they are.
        """
        self.wait()
        self._pending = self._writer.submit(self._write, flatten(state), meta)

    def wait(self, seconds: float | None = None) -> None:
        """Waits, at most so long, until the last save is on the disk; raises as `start_save`."""
        if self._pending is None or not futures.wait([self._pending], seconds).done:
            return
        pending, self._pending = self._pending, None
        pending.result()

    def check_space(self, state: PyTree) -> None:
        """Raises UserError unless the disk has room for all checkpoints of such a state.

        Those are the ones to be kept and one that is being written; they replace what is there.
        Where several processes train, all must call it.
        """
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        number = self._keep_last + 2

        def check() -> None:
            files = (file for path in newest_first(self.folder) for file in path.rglob("*"))
            taken = sum(file.stat().st_size for file in files if file.is_file())
            exists = self.folder.is_dir()
            free = shutil.disk_usage(self.folder if exists else self.folder.parent).free
            if free + taken < number * size:
                raise UserError(
                    f"Too little disk for {self.folder}: up to {number} checkpoints of "
                    f"{format_size(size)} need {format_size(number * size)}; {format_size(free)} "
                    f"are free, and {format_size(taken)} are taken by those there are. Make room, "
                    "or choose a workdir on another disk."
                )

        from_first(check)

    def restore(self, template: PyTree) -> tuple[PyTree, Meta] | None:
        """Restores the newest intact checkpoint; damaged ones are printed and renamed.

        Returns:
            A state like `template`, and its meta; None where there is no checkpoint at all.

        Raises:
            UserError: there are checkpoints but none is intact, or it does not fit `template`.
        """

        def find_newest() -> str | None:
            paths = newest_first(self.folder)
            found = next(intact(paths, set_aside=True), None)
            if paths and found is None:
                raise UserError(f"No checkpoint in {self.folder} is intact.")
            return found.name if found else None

        name = from_first(find_newest)
        if name is None:
            return None
        path = self.folder / name
        if not path.exists():
            raise UserError(not_shared(path))
        arrays, meta = read_checkpoint(path)
        return unflatten(template, arrays, str(path)), meta

    def _write(self, arrays: FlatArrays, meta: Meta) -> None:
        target = self.path(meta.step)
        temporary = self.folder / f".unfinished-{target.name}"

        def begin() -> None:
            with atomic_files.writing(target):
                atomic_files.make_folder(self.folder)
                for pattern in (".unfinished-*", ".discarded-*"):
                    for path in self.folder.glob(pattern):
                        shutil.rmtree(path)
                temporary.mkdir()

        def finish() -> None:
            shapes = {name: [list(a.shape), str(a.dtype)] for name, a in arrays.items()}
            fields = dict(zip(META_KEYS, meta, strict=True))
            with atomic_files.writing(target):
                atomic_files.write_json(temporary / META, {**fields, "arrays": shapes})
                atomic_files.seal(temporary)
                atomic_files.publish(temporary, target)
                paths = newest_first(self.folder)
                best = best_of(paths)
                for path in paths[self._keep_last :]:
                    if path != best:
                        atomic_files.discard(path)

        from_first(begin, CHANNEL)
        try:
            with atomic_files.writing(target):
                write_arrays(temporary / ARRAYS, arrays)
            from_first(finish, CHANNEL)
        except Exception:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def not_shared(path: Path) -> str:
    """What is wrong where the first process has a path, and this one has not."""
    return (
        f"{path} exists for process 0, but not for process {jax.process_index()}: all processes "
        "need a workdir that they share"
    )
