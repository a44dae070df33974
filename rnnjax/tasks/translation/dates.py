"""Days as forty locales write them: `de Samstag, 9. März 2024` to `2024-03-09`."""

import datetime

import numpy as np

from rnnjax.errors import UserError

LOCALES = (
    *("af", "bg", "ca", "cs", "da", "de", "el", "en", "en_GB", "es", "et", "eu", "fi", "fr"),
    *("gl", "hr", "hu", "id", "is", "it", "ja", "ko", "lt", "lv", "ms", "nb", "nl", "pl", "pt"),
    *("ro", "ru", "sk", "sl", "sr", "sv", "sw", "tr", "uk", "vi", "zh"),
)
FORMATS = ("full", "long", "medium", "short")
STYLES = tuple((locale, form) for locale in LOCALES for form in FORMATS)

HELD_OUT = STYLES[6::20]
"""The medium format of every fifth locale is in the split `formats` only."""

FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
"""A century, so that two digits name a year."""

NUM_DAYS = {"validation": 500, "test": 1000}
NUM_PAIRS = {"train": 30000, "validation": 1000, "test": 1000, "formats": 1000}


def date_pairs() -> dict[str, list[tuple[str, str]]]:
    """Sources and targets of each split; no day of validation and test is in training.

    The split `formats` has days of the test split in the styles `HELD_OUT`, which no other split
    has.

    Raises:
        UserError: the package Babel is not installed.
    """
    try:
        from babel.dates import format_date
    except ImportError as error:
        raise UserError(
            "the dates need a package: pip install 'rnnjax[translation]'; or give a corpus with "
            "--config.data=FOLDER"
        ) from error
    rng = np.random.default_rng(0)
    days = rng.permutation(np.arange(FIRST.toordinal(), LAST.toordinal() + 1))
    ends = np.cumsum([*NUM_DAYS.values()])
    of_split = dict(zip((*NUM_DAYS, "train"), np.split(days, ends), strict=True))
    of_split["formats"] = of_split["test"]
    seen = [style for style in STYLES if style not in HELD_OUT]
    splits: dict[str, list[tuple[str, str]]] = {}
    for split, count in NUM_PAIRS.items():
        styles = HELD_OUT if split == "formats" else seen
        splits[split] = []
        for ordinal in rng.choice(of_split[split], count).tolist():
            locale, form = styles[rng.integers(len(styles))]
            day = datetime.date.fromordinal(ordinal)
            written = format_date(day, format=form, locale=locale)
            splits[split].append((f"{locale} {written}", day.isoformat()))
    return splits
