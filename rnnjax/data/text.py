"""Text corpora by name."""

import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from rnnjax.data import tfds
from rnnjax.data.bundled_text import NAMED
from rnnjax.data.corpus import Corpus, build
from rnnjax.data.documents import Document, check_encoding
from rnnjax.data.files import document, nearest
from rnnjax.data.named_splits import SplitFiles, is_list_of_paths, split_files
from rnnjax.data.vocabulary import Level, Vocabulary
from rnnjax.errors import UserError, did_you_mean


def load(
    spec: str,
    *,
    level: Level = "char",
    encoding: str = "utf-8",
    valid_fraction: float = 0.1,
    vocabulary: Vocabulary | None = None,
) -> Corpus:
    """Loads a text corpus by name.

    Args:
        spec: `embedded`, `python_source` or `hello` (see `bundled_text.py`); `tfds:NAME`; the path
            of a file, a folder or a glob, .gz files included; or
            `train=PATH,validation=PATH,test=PATH`. A path that is also a name: write `./` before
            it. A folder whose files are called train, valid and test (see
            `rnnjax.data.named_splits`) has these splits; any other is pooled.
        level: "char": ids stand for characters; "byte": for bytes.
        encoding: of the files at a path.
        valid_fraction: part of the training text kept for validation, where the source has no
            validation split of its own.
        vocabulary: use this one (of a checkpoint) and its level instead of the training split's.

    Raises:
        UserError: there is no such source, or its text cannot be read or decoded, or is empty.
    """
    level = vocabulary.level if vocabulary else level
    documents, found = find_documents(spec, encoding=encoding, decoded=level == "char")
    corpus = build(documents, valid_fraction, spec, level, vocabulary)
    return corpus._replace(origin=_origin(spec, found, valid_fraction) if found else "")


def find_documents(
    spec: str, *, encoding: str = "utf-8", decoded: bool = True
) -> tuple[Mapping[str, Iterable[Document]], SplitFiles | None]:
    """The documents of a source by split, and the files that they are in, if there are.

    Args:
        spec, encoding: see `load`.
        decoded: whether files must be text in the encoding.

    Raises:
        UserError: there is no such source.
    """
    check_encoding(encoding)
    if spec in NAMED:
        return {"train": NAMED[spec]()}, None
    if spec.startswith("tfds:"):
        return tfds.documents(spec.removeprefix("tfds:")), None
    if not spec or not (os.path.exists(spec) or any(mark in spec for mark in "/\\.*?[~=")):
        near = nearest(Path(spec)) or "none here has one like it"
        raise UserError(
            f"unknown data source {spec[:80]!r}: {did_you_mean(spec, NAMED)} It is no file or "
            f"folder either ({near}). tfds:NAME takes a TensorFlow data set."
        )
    found = split_files(
        spec, needed=["train"], pool=True, text_encoding=encoding if decoded else None
    )
    documents = {
        split: [document(path, encoding) for path in paths] for split, paths in found.files.items()
    }
    return documents, found


def _origin(spec: str, found: SplitFiles, valid_fraction: float) -> str:
    """The note on the files for the first line of a run; empty for a single file."""
    if found.pooled and os.path.isfile(os.path.expanduser(spec)):
        return ""
    parts = [found.describe()]
    if valid_fraction and "validation" not in found.files:
        text = "the text" if found.pooled else "the training text"
        parts.append(f"{valid_fraction * 100:.3g}% of {text} held out for validation")
    return ("" if is_list_of_paths(spec) else f"{spec}: ") + ", ".join(parts)


def from_texts(
    texts: Iterable[str],
    *,
    level: Level = "char",
    valid_fraction: float = 0.1,
    vocabulary: Vocabulary | None = None,
) -> Corpus:
    """A corpus of the given texts, a document each; the other arguments are those of `load`.

    Raises:
        UserError: there is one text, not a list of texts; or as in `load`.
    """
    if isinstance(texts, str):
        raise UserError(f"from_texts takes a list of texts; got one text: [{texts[:20]!r}]?")

    def document_of(n: int, text: str) -> Document:
        if not isinstance(text, str):
            raise UserError(f"from_texts takes a list of texts; text {n} is {text!r:.40}")
        return Document(f"text {n}", [text.encode("utf-8", "surrogatepass")])

    documents = itertools.starmap(document_of, enumerate(texts))
    return build({"train": documents}, valid_fraction, "the text given", level, vocabulary)
