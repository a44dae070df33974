"""Documents from files: one, a folder of them, or a glob; plain or .gz."""

import difflib
import glob
import gzip
import logging
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from rnnjax.data.decoding import Document, check_encoding, texts
from rnnjax.data.vocabulary import Level
from rnnjax.errors import UserError

CHUNK_BYTES = 1 << 20
HEAD_BYTES = 8192

_log = logging.getLogger(__name__)


def documents(spec: str, *, encoding: str, level: Level) -> Iterator[Document]:
    """The documents of a path, a file each, ordered by path.

    Files of a folder are found recursively; those whose name starts with a dot are left out and, at
    level "char", so are binary files (told by a NUL in their first 8 KiB, and named in the log).

    Args:
        spec: a file, a folder, or a glob (`**` reaches into subfolders).
        encoding: of the files.
        level: "char" or "byte".

    Returns:
        The documents.

    Raises:
        UserError: there is nothing there, or it cannot be read.
    """
    path = Path(os.path.expanduser(spec))
    try:
        exists = path.exists()
    except OSError as error:
        raise UserError(f"cannot read {spec}: {error.strerror}") from error
    if path.is_dir():
        paths = _in_folder(path)
        if level == "char":
            paths = _without_binary(paths, path, encoding)
    elif exists:
        if not path.is_file():
            raise UserError(f"{spec} is neither a regular file nor a folder")
        paths = [path]
    elif glob.has_magic(spec):
        found = glob.glob(str(path), recursive=True)
        paths = [p for p in map(Path, sorted(found)) if p.is_file()]
        if not paths:
            raise UserError(f"no file matches the pattern {spec}")
    else:
        raise UserError(f"{spec} does not exist ({nearest(path) or 'nothing near'})")
    return (Document(str(p), _chunks(p), encoding) for p in paths)


def read_text(spec: str, *, encoding: str) -> str:
    """The text of one file, with LF as line ends.

    Args:
        spec: its path; plain or .gz.
        encoding: of its bytes.

    Raises:
        UserError: there is no such file, or it is not text in this encoding.
    """
    check_encoding(encoding)
    path = Path(os.path.expanduser(spec))
    try:
        exists = path.exists()
    except OSError as error:
        raise UserError(f"cannot read {spec}: {error.strerror}") from error
    if not exists:
        raise UserError(f"{spec} does not exist ({nearest(path) or 'nothing near'})")
    if not path.is_file():
        raise UserError(f"{spec} is no regular file")
    return "".join(texts(Document(str(path), _chunks(path), encoding)))


def _in_folder(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> NoReturn:
        raise UserError(f"cannot read {error.filename}: {error.strerror}") from error

    paths = []
    for parent, subfolders, names in os.walk(folder, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        paths += [Path(parent, name) for name in names if not name.startswith(".")]
    if not paths:
        raise UserError(f"the folder {folder} has no files")
    return sorted(paths, key=lambda p: p.as_posix())


def _without_binary(paths: Iterable[Path], folder: Path, encoding: str) -> list[Path]:
    paths = list(paths)
    if encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32", "utf16", "utf32")):
        return paths
    binary = [p for p in paths if any(b"\0" in head for head in _chunks(p, stop=HEAD_BYTES))]
    if len(binary) == len(paths):
        raise UserError(f"the folder {folder} has no text, only binary files such as {binary[0]}")
    if binary:
        _log.warning("%d binary files of %s left out: %s", len(binary), folder, _some(binary))
    return [p for p in paths if p not in set(binary)]


def _some(paths: list[Path]) -> str:
    return ", ".join(map(str, paths[:5])) + (", ..." if len(paths) > 5 else "")


def _chunks(path: Path, stop: int | None = None) -> Iterator[bytes]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            if stop is not None:
                yield file.read(stop)
                return
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a whole .gz file: {error}") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def nearest(path: Path) -> str:
    """Where `path` leaves what exists, the names there that come nearest to it, as text."""
    while not path.parent.is_dir():
        path = path.parent
    try:
        names = os.listdir(path.parent)
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    return f"nearest in {path.parent}: {', '.join(near)}" if near else ""
