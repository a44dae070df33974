"""Docstrings of Python's standard library: the text after the first line, and the first line."""

import ast
import zlib
from collections.abc import Iterator
from pathlib import Path

from rnnjax.data.bundled_text import python_source
from rnnjax.data.text_pairs import Pair

SPLIT_OF_DIGIT = {0: "validation", 1: "test"}
"""By the last digit of a checksum of a module's name; the others are for training."""

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstring_pairs() -> dict[str, list[Pair]]:
    """Bodies and first lines of docstrings by split, a module or package of the library in one.

    A docstring has a first line if that ends a sentence or an empty line follows it. A body that
    is in the test or validation split is in no other one.
    """
    splits: dict[str, dict[str, Pair]] = {"train": {}, "validation": {}, "test": {}}
    for document in python_source():
        path = Path(document.name)
        for line, docstring in _docstrings(b"".join(document.chunks).decode()):
            first, _, rest = docstring.partition("\n")
            ends = first.rstrip().endswith((".", "!", "?", ":")) or rest.startswith("\n")
            if ends and rest.strip():
                split = SPLIT_OF_DIGIT.get(zlib.crc32(_module(path).encode()) % 10, "train")
                splits[split].setdefault(rest, Pair(rest, first.strip(), f"{path}:{line}"))
    for split, others in (("train", ("validation", "test")), ("validation", ("test",))):
        for other in others:
            for body in splits[other]:
                splits[split].pop(body, None)
    return {split: list(pairs.values()) for split, pairs in splits.items()}


def _docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yields the line and the docstring of everything documented in a file."""
    if '"""' not in source and "'''" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED) and (docstring := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), docstring


def _module(path: Path) -> str:
    """The module or package directly in the library that a file belongs to."""
    library = next(n for n, part in enumerate(path.parts) if part.startswith("python3"))
    return path.parts[library + 1].removesuffix(".py")
