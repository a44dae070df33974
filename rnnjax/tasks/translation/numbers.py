"""Numbers and how six languages say them: `de 7041` to `siebentausendeinundvierzig`."""

import numpy as np

from rnnjax.errors import UserError

LANGUAGES = ("de", "en", "es", "fr", "it", "nl")

EVERYWHERE = 100
"""All numbers below it are in the training split."""

DIGITS = (3, 4, 5, 6)
COUNTS = {"train": 600, "validation": 40, "test": 40}
"""So many numbers of each number of digits are in each split."""


def split_numbers() -> dict[str, list[int]]:
    """The numbers of each split, no number in two of them; the same in every run."""
    rng = np.random.default_rng(0)
    splits: dict[str, list[int]] = {split: [] for split in COUNTS}
    splits["train"] += range(EVERYWHERE)
    for digits in DIGITS:
        drawn = rng.choice(9 * 10 ** (digits - 1), sum(COUNTS.values()), replace=False)
        parts = np.split(drawn + 10 ** (digits - 1), np.cumsum([*COUNTS.values()])[:-1])
        for numbers, part in zip(splits.values(), parts, strict=True):
            numbers += part.tolist()
    return splits


def number_pairs() -> dict[str, list[tuple[str, str]]]:
    """Sources and targets of each split: every number of the split in every language.

    Raises:
        UserError: the package num2words is not installed.
    """
    try:
        from num2words import num2words
    except ImportError as error:
        raise UserError(
            "the embedded numbers need a package: pip install 'rnnjax[translation]'; or give a "
            "corpus with --config.data=FOLDER"
        ) from error
    return {
        split: [
            (f"{language} {number}", " ".join(num2words(number, lang=language).split()))
            for language in LANGUAGES
            for number in numbers
        ]
        for split, numbers in split_numbers().items()
    }
