"""Atomic writes: files and folders that are complete or absent, even if the process is killed."""

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rnnjax.errors import UserError, did_you_mean

MANIFEST = "manifest.json"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError of a write to `path` into a UserError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"Cannot write {path}: {reason}; what was there is intact.") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces a file atomically; raises UserError, and leaves the old file, if it cannot."""
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


def make_folder(path: Path) -> None:
    """Makes a folder and its parents, whose names are on the disk afterwards."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        _fsync(path.parent)


def check_output(output: str | None, suffixes: Collection[str] = ()) -> str:
    """The suffix of the file that a user names with --output; empty where there is none.

    Raises:
        UserError: it is none of the `suffixes`, if there are any, the path is that of a folder, or
            the file's folder is missing.
    """
    if output is None:
        return ""
    suffix, folder = Path(output).suffix, Path(output).parent
    if suffixes and suffix not in suffixes:
        hint = did_you_mean(suffix, suffixes)
        raise UserError(f"--output={output} has an unknown ending; {hint}")
    if not folder.is_dir():
        raise UserError(f"--output={output}: there is no folder {folder}")
    if Path(output).is_dir():
        raise UserError(f"--output={output} is a folder, not a file")
    return suffix


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, for text."""
    write_bytes(path, text.encode("utf-8"))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """As `write_bytes`, for lines of text."""
    write_text(path, "".join(f"{line}\n" for line in lines))


def as_json(value: Any) -> str:
    """The text of a JSON file."""
    return json.dumps(value, indent=1) + "\n"


def as_json_lines(rows: Iterable[Any]) -> str:
    """The text of a JSONL file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_json(path: Path, value: Any) -> None:
    """As `write_bytes`, for a JSON file."""
    write_text(path, as_json(value))


def read_json(path: Path) -> Any:
    """Reads a JSON file; raises UserError if it is missing or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"{path} is not a JSON file: {error}.") from error


def seal(folder: Path) -> None:
    """Writes the SHA-256 of every file of a folder into its manifest, and syncs all of it."""
    digests = {path.relative_to(folder).as_posix(): _sha256(path) for path in _files(folder)}
    for path in folder.rglob("*"):
        _fsync(path)
    write_json(folder / MANIFEST, digests)


def publish(folder: Path, name: Path) -> None:
    """Renames a sealed folder to its final name, which must not exist."""
    os.rename(folder, name)
    _fsync(name.parent)


def discard(folder: Path) -> None:
    """Removes a folder; a kill in between leaves no part of it under its name."""
    renamed = folder.with_name(f".discarded-{folder.name}")
    shutil.rmtree(renamed, ignore_errors=True)
    os.rename(folder, renamed)
    shutil.rmtree(renamed)


def find_fault(folder: Path) -> str | None:
    """The fault of a sealed folder, such as 'file a is missing'; None if it is intact."""
    try:
        digests = dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except OSError:
        return f"{MANIFEST} is missing"
    except (ValueError, TypeError):
        return f"{MANIFEST} is damaged"
    for name, digest in sorted(digests.items()):
        if not (folder / name).is_file():
            return f"file {name} is missing"
        try:
            if _sha256(folder / name) != digest:
                return f"file {name} was truncated or altered (its SHA-256 differs)"
        except OSError as error:
            return f"file {name} cannot be read ({error.strerror})"
    return None


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)


def format_size(size: int) -> str:
    """A number of bytes as people write it: 1.5 GiB."""
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
