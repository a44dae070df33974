"""Text corpora that are on every machine, by name."""

import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

from rnnjax.data.documents import Document
from rnnjax.errors import UserError

_LEFT_OUT = {
    "dist-packages", "ensurepip", "encodings", "lib2to3", "pydoc_data", "site-packages",
    "test", "tests", "idle_test", "__pycache__",
}  # fmt: skip


def embedded() -> Iterator[Document]:
    """Python's own language documentation (`pydoc_data.topics`): 0.5 MB, a document a topic."""
    from pydoc_data.topics import topics

    for title, text in sorted(topics.items()):
        yield Document(title, [text.encode()])


def python_source() -> Iterator[Document]:
    """The source code of this interpreter's standard library: 10 MB, a document a file.

    Tests, tables of character sets and files that are not UTF-8 are left out.
    """
    library = Path(sysconfig.get_path("stdlib"))
    paths = sorted(library.rglob("*.py"), key=lambda path: path.as_posix())
    paths = [p for p in paths if not _LEFT_OUT.intersection(p.relative_to(library).parts)]
    if not paths:
        raise UserError(f"this Python has no source code in {library}: name another --config.data")
    for path in paths:
        source = path.read_bytes()
        try:
            source.decode()
        except UnicodeDecodeError:
            continue
        yield Document(str(path), [source])


def hello() -> Iterator[Document]:
    """The word "hello", forty times, a document each: the smallest corpus to learn."""
    for n in range(40):
        yield Document(f"hello {n}", [b"hello"])


NAMED: dict[str, Callable[[], Iterator[Document]]] = {
    "embedded": embedded,
    "python_source": python_source,
    "hello": hello,
}
