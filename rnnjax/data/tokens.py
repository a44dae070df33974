"""A tokenizer that keeps the place of each token in the text."""

import re
import unicodedata
from typing import NamedTuple

_MARKS = "".join(c for c in map(chr, range(0x300, 0x2000)) if unicodedata.category(c)[0] == "M")
WORD = rf"[\w{_MARKS}\u200c\u200d]"
"""Matches a character of a word: a letter of any script, a mark on one, a digit, or _."""

_APOSTROPHE = "['’]"
_JOINS = rf"{_APOSTROPHE}(?![sS](?!{WORD}))|[-‐‑·&]|(?<=\d)[.,:](?=\d)"

_TOKEN = re.compile(
    rf"""
    (?:https?://|www\.)[^\s<>"“”]*[^\W_]/?      # https://a.org/b?c=d, www.a.org
    | [\w.+-]{{1,64}}@[\w-]+(?:\.[\w-]+)+        # ada@a.org
    | (?:[^\W\d_]\.){{2,32}}(?!{WORD})          # U.S., e.g., J.R.R.
    | (?:Mrs?|Ms|Dr|Prof|St|Mt|Jr|Sr|vs|etc|Inc|Ltd|Corp|Co|Ph\.D)\.(?!{WORD})
    | [A-ZÀ-ÖØ-Þ]\.(?=\s+\w)                    # J. R. R. Tolkien
    | [@#]{WORD}+
    | {WORD}+(?:(?:{_JOINS}){WORD}+)*           # wife, O'Brien, well-known, 3.14, 12:30, AT&T
    | {_APOSTROPHE}[sS](?!{WORD})               # the end of Curie's
    | \.{{2,}} | -{{2,}}
    | \S
    """,
    re.VERBOSE,
)


class Token(NamedTuple):
    """A token of a text: `text[start:end]`.

    Attributes:
        text: its characters, none of them white space.
        start: where it begins in the text, in characters from 0.
        end: where it ends, the character there not included.
    """

    text: str
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """Splits text into words, numbers and punctuation marks, in their order.

    White space separates, and nothing else is lost. A word keeps hyphens, apostrophes and & within
    it (`well-known`, `O'Brien`, `AT&T`), except that `'s` becomes a token (`Curie`, `'s`). A number
    keeps points, commas and colons between digits (`3.14`, `1,000`, `12:30`). A full stop stays
    with letters that each have one (`U.S.`, `e.g.`), with a capital before a word (`J. Smith`) and
    with a few titles and abbreviations (`Dr.`, `St.`, `Inc.`). Addresses of pages and of mail,
    `@name`, `#topic`, and runs of full stops or hyphens are tokens. Every other character is a
    token of its own.
    """
    return [Token(match.group(), *match.span()) for match in _TOKEN.finditer(text)]
