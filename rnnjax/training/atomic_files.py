"""Files and folders that are either whole or absent, whatever kills the process."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rnnjax.errors import UserError

MANIFEST = "manifest.json"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the operating system says about a failed write to `path` into a UserError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"Cannot write {path}: {reason}; what was there is whole.") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces a file's content in one instant.

    Raises:
        UserError: the file cannot be written; the old one is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise
        _fsync(path.parent)


def check_writable(folder: Path) -> None:
    """Raises UserError unless a file can be written into a folder; leaves none behind."""
    probe = folder / ".probe"
    write_bytes(probe, b"?")
    probe.unlink(missing_ok=True)


def check_space(folder: Path, there: list[Path], number: int, size: int) -> None:
    """Raises UserError unless a disk has room for some checkpoints.

    Args:
        folder: of the checkpoints, which need not be there yet.
        there: those in it, which will give way.
        number: how many there will be at most.
        size: bytes of each.
    """
    taken = sum(file.stat().st_size for path in there for file in _files(path))
    free = shutil.disk_usage(folder if folder.is_dir() else folder.parent).free
    if free + taken < number * size:
        raise UserError(
            f"Too little disk for {folder}: up to {number} checkpoints of {_in_words(size)} need "
            f"{_in_words(number * size)}; {_in_words(free)} are free"
            + (f", and {_in_words(taken)} are taken by those there are." if there else ".")
            + " Make room, or choose a workdir on another disk."
        )


def write_text(path: Path, text: str) -> None:
    """Replaces a text file in one instant; raises UserError as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Replaces a JSON file in one instant; raises UserError as `write_bytes` does."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: it is missing, or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"{path} is not a JSON file: {error}.") from error


def seal(folder: Path) -> None:
    """Writes the SHA-256 of every file of `folder` into its manifest, and all of it to the disk."""
    digests = {}
    for path in _files(folder):
        digests[path.relative_to(folder).as_posix()] = _sha256(path)
        _fsync(path)
    for path in folder.rglob("*"):
        if path.is_dir():
            _fsync(path)
    write_json(folder / MANIFEST, digests)


def publish(folder: Path, name: Path) -> None:
    """Renames a sealed folder to its final name, which must be free."""
    os.rename(folder, name)
    _fsync(name.parent)


def discard(folder: Path) -> None:
    """Removes a folder; a process killed meanwhile leaves no half of it under its name."""
    doomed = folder.with_name(f".discarded-{folder.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    os.rename(folder, doomed)
    shutil.rmtree(doomed)


def find_fault(folder: Path) -> str | None:
    """What is wrong with a sealed folder: a sentence part, or None if it is whole."""
    try:
        digests = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        expected = set(digests)
    except OSError:
        return f"{MANIFEST} is missing"
    except (ValueError, TypeError):
        return f"{MANIFEST} is damaged"
    present = {path.relative_to(folder).as_posix() for path in _files(folder)}
    if missing := sorted(expected - present):
        return f"file {missing[0]} is missing"
    for name in sorted(expected):
        if _sha256(folder / name) != digests[name]:
            return f"file {name} was truncated or altered (its SHA-256 differs)"
    return None


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)


def _in_words(size: int) -> str:
    exponent = min(max(size.bit_length() - 1, 0) // 10, 4)
    return f"{size / 1024**exponent:.4g} {('bytes', 'KiB', 'MiB', 'GiB', 'TiB')[exponent]}"


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
