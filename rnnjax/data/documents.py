"""Documents of a text corpus, and their bytes decoded to characters."""

import codecs
import io
import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rnnjax.errors import UserError

COMMON_ENCODINGS = "utf-8, utf-16, latin-1, cp1252, gb18030, shift_jis, euc-kr and koi8-r"


class Document(NamedTuple):
    """One text of a source.

    Attributes:
        name: what messages call it: a path or a title.
        chunks: its bytes, in pieces of any size; read once.
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


def texts(document: Document, *, or_bytes: bool = False) -> Iterator[str]:
    """The document as text, piece by piece, without byte order mark and with LF as line ends.

    Args:
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
    for chunk in itertools.chain(filter(None, document.chunks), [b""]):
        final = not chunk
        num_bytes += len(chunk)
        try:
            text = decoder.decode(chunk, final)
        except UnicodeError as error:
            raise UserError(_not_text(document, num_bytes, error, or_bytes)) from error
        if "\0" in text:
            binary = "A binary file can be modelled byte by byte (--config.level=byte); a"
            raise UserError(
                f"{document.name} is not text: character {num_characters + text.index(chr(0))} is "
                f"NUL. {binary if or_bytes else 'A'} text with NULs may be UTF-16 "
                f"(--config.encoding=utf-16-le or utf-16-be)."
            )
        num_characters += len(text)
        yield newlines.decode(text, final)


def _not_text(document: Document, num_bytes: int, error: UnicodeError, or_bytes: bool) -> str:
    what, other = str(error), "latin-1"
    if isinstance(error, UnicodeDecodeError):
        position = num_bytes - len(error.object) + error.start
        what = f"byte {position} has the value 0x{error.object[error.start]:02x} ({error.reason})"
        if any(0x80 <= byte < 0xA0 for byte in error.object[error.start :]):
            other = "cp1252"  # In latin-1 these are control characters.
        marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        if position == error.start and error.object.startswith(marks):
            other = "utf-16"
    offer = "; to model any file byte by byte, --config.level=byte" if or_bytes else ""
    return (
        f"{document.name} is not {document.encoding} text: {what}. If it is text in another "
        f"encoding, name it (--config.encoding={other}){offer}."
    )
