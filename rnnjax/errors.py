"""Errors that a user can cause and mend."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in a flag, file, shape or option, told in the user's words.

    Command lines print the message alone, without a traceback, and exit with code 2.
    """


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """Returns a sentence that names the valid word nearest to `word`, and all the valid words.

    Args:
        word: what the user wrote.
        valid: every word that would have been accepted.

    Returns:
        For example ``did you mean 'lstm'? Valid: gru, lstm, rnn.``
    """
    words = sorted(valid)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"{hint}Valid: {', '.join(words)}."


def counted(count: int, noun: str) -> str:
    """For example `1 image`, `2,000 images`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
