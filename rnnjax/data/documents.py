"""From the bytes of a document to its characters, with errors that say where."""

import codecs
import io
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from rnnjax.data.vocabulary import Level, code_points
from rnnjax.errors import UserError

COMMON_ENCODINGS = "utf-8, utf-16, latin-1, cp1252, gb18030, shift_jis, euc-kr and koi8-r"


class Document(NamedTuple):
    """One text of a source.

    Attributes:
        name: what messages call it: a path or a title.
        chunks: its bytes, in pieces of any size; read once.
        encoding: of these bytes.
    """

    name: str
    chunks: Iterable[bytes]
    encoding: str = "utf-8"


def check_encoding(encoding: str) -> None:
    """Raises UserError unless Python knows `encoding` as a text encoding."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding)
    except LookupError as error:
        raise UserError(
            f"unknown text encoding {encoding!r}; Python knows, among others, {COMMON_ENCODINGS}"
        ) from error


def symbols(document: Document, level: Level) -> Iterator[np.ndarray]:
    """The document as numbers, piece by piece.

    At level "byte" the bytes are taken as they are. At level "char" a byte order mark is dropped
    and every line end (CR LF, CR) becomes LF, so that one text gives one corpus wherever it was
    saved.

    Args:
        document: read to its end.
        level: "byte" or "char".

    Yields:
        uint8 bytes or uint32 code points, [any length].

    Raises:
        UserError: the bytes are not text in the document's encoding; names the byte and its place.
    """
    if level == "byte":
        for chunk in document.chunks:
            yield np.frombuffer(chunk, np.uint8)
        return
    for text in texts(document, or_bytes=True):
        yield code_points(text)


def texts(document: Document, *, or_bytes: bool = False) -> Iterator[str]:
    """The document as text, piece by piece, without byte order mark and with LF as line ends.

    Args:
        document: read to its end.
        or_bytes: the document could be modelled byte by byte; messages say so.

    Yields:
        Text of any length.

    Raises:
        UserError: the bytes are not text in the document's encoding; names the byte and its place.
    """
    name = codecs.lookup(document.encoding).name
    decoder = codecs.getincrementaldecoder("utf-8-sig" if name == "utf-8" else name)()
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    num_bytes = num_characters = 0
    for chunk, final in _with_last(document.chunks):
        num_bytes += len(chunk)
        try:
            text = decoder.decode(chunk, final)
        except UnicodeError as error:
            raise UserError(_not_text(document, num_bytes, error, or_bytes)) from error
        if "\0" in text:
            binary = "A binary file can be modelled byte by byte (--config.level=byte); a"
            raise UserError(
                f"{document.name} is not text: character {num_characters + text.index(chr(0))} is "
                f"NUL. {binary if or_bytes else 'A'} text "
                f"with NULs may be UTF-16 (--config.encoding=utf-16-le or utf-16-be)."
            )
        num_characters += len(text)
        yield newlines.decode(text, final)


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for chunk in chunks:
        yield chunk, False
    yield b"", True


def _not_text(document: Document, num_bytes: int, error: UnicodeError, or_bytes: bool) -> str:
    message = f"{document.name} is not {document.encoding} text: "
    if not isinstance(error, UnicodeDecodeError):
        return message + f"{error}. {_offer(b'', or_bytes)}"
    position = num_bytes - len(error.object) + error.start
    head = error.object if position == error.start else b""
    return (
        message + f"byte {position} has the value 0x{error.object[error.start]:02x} "
        f"({error.reason}). {_offer(head, or_bytes)}"
    )


def _offer(head: bytes, or_bytes: bool) -> str:
    utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    offer = (
        f"If it is text in another encoding, name it (--config.encoding="
        f"{'utf-16' if utf16 else 'latin-1'})"
    )
    if or_bytes:
        return offer + "; to model any file byte by byte, --config.level=byte."
    return offer + "."
