"""Errors that a user can cause and mend."""

import difflib
import math
from collections.abc import Collection, Iterable


class UserError(ValueError):
    """A mistake in a flag, file, shape or option, told in the user's words.

    Command lines print the message alone, without a traceback, and exit with code 2.
    """


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """Returns a sentence that names the valid word nearest to `word`, and all the valid words.

    For example ``did you mean 'lstm'? Valid: gru, lstm, rnn.``
    """
    words = sorted(valid)
    near = difflib.get_close_matches(str(word), words, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"{hint}Valid: {', '.join(words)}."


def check_known(what: str, word: str, valid: Collection[str]) -> None:
    """Raises UserError, with what it is, for a word that is none of the valid ones."""
    if word not in valid:
        raise UserError(f"unknown {what} {word!r}; {did_you_mean(word, valid)}")


def check_at_least(least: float, **numbers: float) -> None:
    """Raises UserError, by name, for a number that is lower than `least`, infinite or nan."""
    for name, number in numbers.items():
        if not least <= number < math.inf:
            raise UserError(f"{name} is {least} or more; got {number}")


def counted(count: int, noun: str) -> str:
    """For example `1 image`, `2,000 images`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
