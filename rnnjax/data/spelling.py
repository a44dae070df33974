"""Normal forms of words, and features of their upper and lower case."""

import re

CASES = (
    "padding",
    "digits",
    "mostly digits",
    "some digits",
    "lower",
    "upper",
    "initial upper",
    "mixed",
    "other",
)
"""Names of the case features by id. A token has the first that fits, from "digits" on: all of its
characters are digits, more than half, at least one; its letters are all lower case, all upper case
("A" too); only its first character is upper case; some other is; it has no letters of either case.
"""


def normalise(token: str, *, lowercase: bool, digits_to_zero: bool) -> str:
    """The word that a token counts as, so that several spellings have one id.

    Args:
        token: as it is in the text.
        lowercase: whether "The" is the word "the".
        digits_to_zero: whether "1997" is the word "0000".

    References:
        Lample et al. 2016, "Neural architectures for named entity recognition", and its code.
    """
    token = token.lower() if lowercase else token
    return re.sub(r"\d", "0", token) if digits_to_zero else token


def case_of(token: str) -> int:
    """The id in CASES of how a token is written.

    References:
        Collobert et al. 2011, "Natural language processing (almost) from scratch",
        whose features are "lower", "upper", "initial upper" and "mixed"; those of digits are added.
    """
    num_digits = sum(c.isdigit() for c in token)
    if num_digits:
        everywhere, mostly = num_digits == len(token), 2 * num_digits > len(token)
        name = "digits" if everywhere else "mostly digits" if mostly else "some digits"
    elif token.islower():
        name = "lower"
    elif token.isupper():
        name = "upper"
    elif token[:1].isupper() and not any(c.isupper() for c in token[1:]):
        name = "initial upper"
    else:
        name = "mixed" if any(c.isupper() for c in token) else "other"
    return CASES.index(name)
