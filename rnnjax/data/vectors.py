"""Pretrained word vectors from text files: GloVe, word2vec and fastText."""

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.data.documents import check_encoding
from rnnjax.data.files import document, files_at
from rnnjax.errors import UserError

_DECIMAL = re.compile(rb"[-+]?\d*\.\d+([eE][-+]?\d+)?")

_log = logging.getLogger(__name__)


class Vectors(NamedTuple):
    """Vectors of words.

    Attributes:
        words: N of them, in the order of the file.
        matrix: float32 [N, D].
    """

    words: tuple[str, ...]
    matrix: np.ndarray

    def find(self, words: Sequence[str]) -> np.ndarray:
        """Where the vectors of some words are: of the word as it is, else of it in lower case.

        Returns:
            int64 [number of words], rows of `matrix`; -1 for a word that has none.

        References:
            The rule of Ma & Hovy 2016, "End-to-end sequence labeling via bi-directional
            LSTM-CNNs-CRF", and of Lample et al. 2016, in their published code.
        """
        row_of = {word: row for row, word in enumerate(self.words)}
        rows = [row_of.get(word, row_of.get(word.lower(), -1)) for word in words]
        return np.array(rows, np.int64)

    def by_id(self, words: Sequence[str], first_id: int) -> dict[int, np.ndarray]:
        """The vectors [D] of the words that `find` finds, by their ids from `first_id` on."""
        rows = enumerate(self.find(words), first_id)
        return {word_id: self.matrix[row] for word_id, row in rows if row >= 0}

    def coverage(self, words: Sequence[str]) -> str:
        """How many of some words have vectors, in one line."""
        found = int((self.find(words) >= 0).sum())
        lowered = found - len(set(self.words).intersection(words))
        return (
            f"{found:,} of {len(words):,} words ({found / max(len(words), 1):.1%}) have "
            f"pretrained vectors, {lowered:,} of them only in lower case"
        )


def read_vectors(path: str, wanted: Collection[str], *, encoding: str = "utf-8") -> Vectors:
    """The vectors of some words, from a text file with a line a word: the word, then D numbers.

    They are separated by single spaces. The first line may be a header of two integers, the number
    of words and D (word2vec, fastText); otherwise D is that of the first line (GloVe). A word may
    have spaces within, as some of GloVe's do. Of a repeated word the first vector counts. The log
    warns of a header with a wrong number of words. The file is read line by line, and numbers are
    parsed only for wanted words.

    Args:
        path: of the file, plain or .gz.
        wanted: words to keep, as they are or in lower case (see `Vectors.find`).

    Raises:
        UserError: the file cannot be read, is empty or binary, or a line is not a word and D
            numbers in this encoding.

    References:
        Pennington et al. 2014, "GloVe: global vectors for word representation"; Mikolov et al.
        2013, "Efficient estimation of word representations in vector space"; Bojanowski et al.
        2017, "Enriching word vectors with subword information".
    """
    check_encoding(encoding)
    if "\n".encode(encoding) != b"\n":
        raise UserError(f"word vectors cannot be read as {encoding}: convert {path} to UTF-8")
    files = files_at(path)
    if len(files) != 1:
        raise UserError(f"{path} is {len(files)} files, and word vectors are read from one")
    wanted = {*wanted, *(word.lower() for word in wanted)}
    kept: dict[str, np.ndarray] = {}
    size = promised = None
    num_words = 0
    for number, line in enumerate(_lines(document(files[0], encoding).chunks, path), 1):
        place = f"{path}:{number}"
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
            if header := re.fullmatch(rb"(\d+) (\d+)", line):
                promised, size = map(int, header.groups())
                continue
            size = line.count(b" ")
        assert size is not None
        word, numbers = _parts(line, size, place, encoding)
        num_words += 1
        if word in wanted and word not in kept:
            kept[word] = _vector(numbers, place)
        elif number == 1:
            _vector(numbers, place)
    if size is None or not num_words:
        but = " but for a header" if size else ""
        raise UserError(f"{path} has no word vectors: it is empty{but}")
    if promised not in (None, num_words):
        _log.warning("%s has %d words, though its header says %d", path, num_words, promised)
    matrix = np.stack(list(kept.values())) if kept else np.zeros((0, size), np.float32)
    return Vectors(tuple(kept), matrix)


def _lines(chunks: Iterable[bytes], path: str) -> Iterator[bytes]:
    """Lines without white space at their end. Only LF ends a line: words may have other ends."""
    rest = b""
    for chunk in chunks:
        if b"\0" in chunk:
            raise UserError(
                f"{path} is binary, such as word2vec's and fastText's .bin: word vectors are read "
                f"from the text form (.txt, .vec)"
            )
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.rstrip(b" \r") for line in lines)
    if rest:
        yield rest.rstrip(b" \r")


def _parts(line: bytes, size: int, place: str, encoding: str) -> tuple[str, bytes]:
    """The word of a line, and its numbers with spaces between."""
    num_spaces = line.count(b" ")
    word, _, numbers = line.partition(b" ")
    split: list[bytes] = []
    if num_spaces > size > 0:
        word, *split = line.rsplit(b" ", size)
        numbers = b" ".join(split)
    too_many = b" " in word and _DECIMAL.fullmatch(word.rpartition(b" ")[2])
    if size < 1 or num_spaces < size or too_many or b"" in split:
        raise UserError(
            f"{place}: expected a word and {size or 'its'} numbers with one space between, got "
            f"{num_spaces} of them: {line[:40].decode(encoding, 'replace')!r}"
        )
    try:
        return word.decode(encoding), numbers
    except UnicodeError as error:
        what = f"the word {word[:40]!r} is not {encoding} text"
        raise UserError(f"{place}: {what}: {error}") from error


def _vector(numbers: bytes, place: str) -> np.ndarray:
    values = []
    for number in numbers.split(b" "):
        try:
            values.append(float(number))
        except ValueError as error:
            raise UserError(f"{place}: {number.decode('latin-1')!r} is not a number") from error
    with np.errstate(over="ignore"):
        vector = np.array(values, np.float32)
    if not np.isfinite(vector).all():
        raise UserError(f"{place}: {values[int(np.argmin(np.isfinite(vector)))]} is not finite")
    return vector
