"""Files of a path: one, those of a folder, or those of a glob; plain or .gz."""

import difflib
import glob
import gzip
import logging
import lzma
import os
import re
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from rnnjax.data.documents import Document, check_encoding, texts
from rnnjax.errors import UserError

CHUNK_BYTES = 1 << 20
HEAD_BYTES = 8192
WORKDIR_MARKER = "experiment.json"
"""The files in the workdir of a training."""
STDIN = "-"
"""The path of what comes in by stdin."""

_log = logging.getLogger(__name__)


def existing(spec: str, expected: str = "") -> Path:
    """The path `spec`, with `~` expanded.

    Raises:
        UserError: nothing is there; names files that are spelt like it, and ends in `expected`.
    """
    path = Path(os.path.expanduser(spec))
    try:
        exists = bool(spec) and path.exists()
    except OSError as error:
        raise UserError(f"cannot read {spec}: {error.strerror}") from error
    if not exists and spec.startswith("tfds:"):
        raise UserError(f"{spec}: no data set of TFDS is read here; expected a path{expected}")
    if not exists:
        near = nearest(path) or "nothing near"
        raise UserError(f"{spec or repr(spec)} does not exist ({near}){expected}")
    return path


def regular_file(spec: str, expected: str = "") -> Path:
    """As `existing`; raises UserError for a folder, a pipe or the like, too."""
    path = existing(spec)
    if not path.is_file():
        what = "a folder, not a file" if path.is_dir() else "no regular file"
        raise UserError(f"{spec} is {what}{expected}")
    return path


def name_of(spec: str) -> str:
    """The name of a path in messages."""
    return "stdin" if spec == STDIN else spec


def in_a_line(text: str) -> str:
    """The words of a text with one space between them."""
    return " ".join(text.split())


def files_at(spec: str, *, expected: str = "", text_encoding: str | None = None) -> list[Path]:
    """The files of a path, ordered by path.

    Files of a folder are found recursively; those whose name starts with a dot are left out.

    Args:
        spec: a file, a folder, or a glob (`**` reaches into subfolders).
        expected: see `existing`.
        text_encoding: leave binary files of a folder out, which have a NUL in their first 8 KiB,
            and name them in the log; the encoding of the others. None: take all files.

    Raises:
        UserError: nothing is there, or it cannot be read.
    """
    if glob.has_magic(spec) and not os.path.exists(os.path.expanduser(spec)):
        found = sorted(glob.glob(os.path.expanduser(spec), recursive=True))
        paths = [path for path in map(Path, found) if path.is_file()]
        if not paths:
            raise UserError(f"no file matches the pattern {spec}")
        return paths
    path = existing(spec, expected)
    if path.is_dir():
        paths = _in_folder(path)
        return paths if text_encoding is None else _without_binary(paths, path, text_encoding)
    if not path.is_file():
        raise UserError(f"{spec} is neither a regular file nor a folder")
    return [path]


def files_named(path: Path, pattern: re.Pattern[str]) -> list[tuple[str, bytes]]:
    """Places and contents of the files whose names fit, by name; nothing is extracted.

    Args:
        path: of a folder or a tar file.
        pattern: of whole names, without folders.

    Raises:
        UserError: it cannot be read.
    """
    if path.is_dir():
        files = [file for file in files_at(str(path)) if pattern.fullmatch(file.name)]
        return sorted((str(file), file.read_bytes()) for file in files)
    try:
        with tarfile.open(path) as archive:
            return sorted(
                (f"{path}/{member.name}", packed.read())
                for member in archive
                if pattern.fullmatch(Path(member.name).name)
                and (packed := archive.extractfile(member))
            )
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        raise UserError(f"{path} cannot be read as a tar file: {error}") from error


def document(path: Path, encoding: str) -> Document:
    """A file as a document, read when its chunks are asked for."""
    return Document(str(path), _chunks(path, CHUNK_BYTES), encoding)


def read_text(spec: str, *, encoding: str) -> str:
    """The text of one file, with LF as line ends.

    Args:
        spec: its path, plain or .gz; or `-` for what comes in by stdin.

    Raises:
        UserError: there is no such file, or it is not text in this encoding.
    """
    check_encoding(encoding)
    if spec == STDIN:
        return "".join(texts(Document("stdin", [sys.stdin.buffer.read()], encoding)))
    return "".join(texts(document(regular_file(spec), encoding)))


def _in_folder(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> NoReturn:
        raise UserError(f"cannot read {error.filename}: {error.strerror}") from error

    paths, runs = [], []
    for parent, subfolders, names in os.walk(folder, onerror=refuse):
        if WORKDIR_MARKER in names:  # its reports and pictures are no data
            runs.append(parent)
            subfolders.clear()
            continue
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        paths += [Path(parent, name) for name in names if not name.startswith(".")]
    if not paths and runs:
        raise UserError(f"the folder {folder} holds no data but runs of training: {runs[0]}")
    if not paths:
        raise UserError(f"the folder {folder} has no files")
    if runs:
        _log.warning("%d runs of training below %s left out: %s", len(runs), folder, runs[0])
    return sorted(paths, key=lambda p: p.as_posix())


def _without_binary(paths: list[Path], folder: Path, encoding: str) -> list[Path]:
    if encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32", "utf16", "utf32")):
        return paths
    binary = [p for p in paths if b"\0" in next(_chunks(p, HEAD_BYTES), b"")]
    if len(binary) == len(paths):
        raise UserError(f"the folder {folder} has no text, only binary files such as {binary[0]}")
    if binary:
        some = ", ".join(map(str, binary[:5])) + (", ..." if len(binary) > 5 else "")
        _log.warning("%d binary files of %s left out: %s", len(binary), folder, some)
    return [p for p in paths if p not in set(binary)]


def _chunks(path: Path, size: int) -> Iterator[bytes]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            while chunk := file.read(size):
                yield chunk
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a whole .gz file: {error}") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def nearest(path: Path) -> str:
    """The names most like `path` in the deepest of its folders that exists, as text."""
    while not path.parent.is_dir():
        path = path.parent
    try:
        names = os.listdir(path.parent)
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    return f"nearest in {path.parent}: {', '.join(near)}" if near else ""
