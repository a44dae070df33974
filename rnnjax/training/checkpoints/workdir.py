"""The folder of one run: its experiment, config and lock; and the export of what it trained."""

import fcntl
import glob
import json
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from rnnjax.errors import UserError
from rnnjax.interchange.files import write_safetensors
from rnnjax.training import atomic_files
from rnnjax.training.checkpoints.checkpoints import Checkpoints, not_shared
from rnnjax.training.checkpoints.reading import (
    FOLDER,
    META,
    META_KEYS,
    SAFETENSORS,
    find_checkpoint,
    parameters_in,
    read_checkpoint,
    read_meta,
    tensor_name,
)
from rnnjax.training.processes.group import from_first, is_first
from rnnjax.training.reporting import metrics_log
from rnnjax.training.reporting.progress import say

MARKER = "experiment.json"
CONFIG = "config.json"
SECONDS_TO_APPEAR = 60
"""Time until a file of the first process is seen by the others, over a network."""


class Workdir(NamedTuple):
    """The folder of a run of an experiment, see `open_workdir`.

    Every checkpoint holds its config, and what is extra; both are JSON-able.
    """

    path: Path
    name: str
    config: dict[str, Any]
    extra: dict[str, Any] = {}  # noqa: RUF012

    def checkpoints(self) -> Checkpoints:
        """The checkpoints of this run."""
        return Checkpoints(self.path / FOLDER)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Makes the folder, marks it as this run's, and locks it against a second process.

        Where several processes train, all must call it. A new folder that an error leaves without a
        checkpoint and metrics is removed, and so are those above it that were not there.

        Raises:
            UserError: another process is training there, the folder belongs to another
                experiment, or it cannot be written or is not shared by all processes.
        """
        new = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        with ExitStack() as held:

            def mark() -> None:
                with atomic_files.writing(self.path):
                    atomic_files.make_folder(self.path)
                if not (self.path / MARKER).exists():
                    atomic_files.write_json(self.path / MARKER, {"experiment": self.name})
                marker = held.enter_context(open(self.path / MARKER, encoding="utf-8"))
                try:
                    fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise UserError(
                        f"Another process is training in {self.path}: wait for its end, or choose "
                        "another workdir."
                    ) from None
                check_owner(self.path, self.name)
                atomic_files.write_json(self.path / CONFIG, self.config)

            from_first(mark)
            deadline = time.monotonic() + SECONDS_TO_APPEAR
            while not (self.path / MARKER).exists():
                if time.monotonic() > deadline:
                    raise UserError(not_shared(self.path))
                time.sleep(0.5)
            try:
                yield
            except BaseException:
                files = [self.path / metrics_log.FILE, *(self.path / FOLDER).rglob("*")]
                used = any(file.is_file() and file.stat().st_size for file in files)
                if is_first() and new and not used:
                    shutil.rmtree(self.path, ignore_errors=True)
                    with suppress(OSError):
                        for folder in new[1:]:
                            folder.rmdir()
                raise


def open_workdir(
    path: str | Path,
    *,
    name: str,
    config: dict[str, Any] | None = None,
    may_change: Collection[str] = (),
    defaults: dict[str, Any] | None = None,
) -> Workdir:
    """Opens a new workdir, or one in which the same experiment ran before.

    It is made when the training begins (see `Workdir.in_use`), so that a failed start leaves
    nothing. Where several processes train, all must call it, with a path that they share.

    Args:
        config: JSON-able; written to ``config.json`` and to every checkpoint.
        may_change: names of config fields that may differ from the run to be resumed, such as
            'num_steps'.
        defaults: JSON-able; the values of fields that did not exist when the run began. Fields that
            no longer exist are told, and do not hinder a resumption.

    Raises:
        UserError: the folder belongs to another experiment, its checkpoints were made with
            another config, or it cannot be written, or not by Orbax.
    """
    path = Path(path).absolute()
    config = json.loads(json.dumps(config or {}))
    workdir = Workdir(path, name, config)

    def prepare() -> None:
        if glob.has_magic(str(path)):  # Orbax looks for what it wrote by such a pattern.
            raise UserError(
                f"{path} is a pattern of names, and checkpoints in it could not be read: choose a "
                "workdir without [, * and ?"
            )
        check_owner(path, name)
        if (path / META).exists():
            raise UserError(
                f"{path} is an exported network, not a workdir: choose another workdir; "
                f"--restore_from={path} starts from its parameters"
            )
        there = next(folder for folder in (path, *path.parents) if folder.exists())
        with atomic_files.writing(path), tempfile.TemporaryFile(dir=there):
            pass
        if workdir.checkpoints().newest() is not None:
            began_with = json.loads(json.dumps(defaults or {})) | read_meta(path).config
            gone = began_with.keys() - config.keys() - (defaults or {}).keys()
            told = ", ".join(f"{name}={json.dumps(began_with.pop(name))}" for name in sorted(gone))
            _check_config(began_with, config, may_change, path)
            if told:
                say(f"Settings of the run in {path} that no longer exist, without effect: {told}")

    from_first(prepare)
    return workdir


def read_owner(path: str | Path) -> str:
    """The name of the experiment of a workdir; UserError if there is no workdir."""
    marker = Path(path).absolute() / MARKER
    if not marker.exists():
        raise UserError(f"{marker.parent} is no workdir: it has no {MARKER}")
    return atomic_files.read_json(marker).get("experiment")


def check_owner(path: str | Path, name: str) -> None:
    """Raises UserError if the folder holds another experiment than `name`."""
    marker = Path(path).absolute() / MARKER
    if marker.exists() and (owner := read_owner(path)) != name:
        raise UserError(
            f"The workdir {marker.parent} holds the experiment '{owner}', not '{name}': "
            "choose another workdir."
        )


def _check_config(
    old: dict[str, Any], new: dict[str, Any], may_change: Collection[str], path: Path
) -> None:
    there, now = ({name: json.dumps(value) for name, value in c.items()} for c in (old, new))
    changed = [
        name for name in old | new if name not in may_change and there.get(name) != now.get(name)
    ]
    if not changed:
        return
    differences = "; ".join(
        f"{name} is {there.get(name, 'absent')} there, {now.get(name, 'absent')} now"
        for name in changed
    )
    remedy = "Give the old values to resume it, or choose another workdir."
    if "batch_size" in changed:
        remedy += (
            " The position in the data counts batches of the old size and cannot carry over; "
            f"--restore_from={path} in a new workdir keeps the parameters and reads the data "
            "from its beginning."
        )
    raise UserError(f"The run in {path} has another config: {differences}.\n{remedy}")


def write_export(workdir: str | Path, folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Writes the parameters of a run's best checkpoint, and what makes a model of them.

    `rnnjax.load`, the modes of the experiment and `--restore_from` read the folder as they do a
    workdir.

    Args:
        folder: where they go; it is replaced.
        files: contents of further files by name, which may be changed later.

    Raises:
        UserError: there is no intact checkpoint, or the folder cannot be written.
    """
    arrays, meta = read_checkpoint(find_checkpoint(workdir, "best"))
    params = parameters_in(arrays)
    shapes = {f"params/{name}": (a.shape, a.dtype.name) for name, a in params.items()}
    fields = dict(zip(META_KEYS, meta._replace(position=None, best_so_far={}), strict=True))
    new = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(new, ignore_errors=True)
    with ExitStack() as stack, atomic_files.writing(folder):
        stack.callback(shutil.rmtree, new, ignore_errors=True)  # what a failure leaves
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
