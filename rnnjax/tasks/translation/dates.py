"""Days as forty locales write them: `de Samstag, 9. März 2024` to `2024-03-09`."""

import datetime
from typing import Any

import numpy as np

from rnnjax.errors import UserError

LOCALES = (
    *("af", "bg", "ca", "cs", "da", "de", "el", "en", "en_GB", "es", "et", "eu", "fi", "fr"),
    *("gl", "hr", "hu", "id", "is", "it", "ja", "ko", "lt", "lv", "ms", "nb", "nl", "pl", "pt"),
    *("ro", "ru", "sk", "sl", "sr", "sv", "sw", "tr", "uk", "vi", "zh"),
)
FORMATS = ("full", "long", "medium", "short")
SKELETONS = ("yMd", "yMEd", "yMMMd", "yMMMEd", "yMMMMd", "yMMMMEd")
"""Formats that CLDR has beside the four: of the parts of a date, with short or long names."""

HELD_OUT = LOCALES[1::5]
"""Locales whose medium format is in the split `formats` only."""

FIRST, LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
"""A century, so that two digits name a year."""

NUM_DAYS = {"validation": 500, "test": 1000}
NUM_PAIRS = {"train": 30000, "validation": 1000, "test": 1000, "formats": 1000}


def date_pairs() -> dict[str, list[tuple[str, str]]]:
    """Sources and targets of each split; no day of validation and test is in training.

    The split `formats` has days of the test split in the medium formats of `HELD_OUT`, which no
    other split has. The names of months that they use are in other formats of training.

    Raises:
        UserError: the package Babel is not installed.
    """
    try:
        from babel import Locale
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
    seen: list[tuple[str, Any]] = []
    held_out: list[tuple[str, Any]] = []
    for name in LOCALES:
        locale = Locale.parse(name)
        of_locale = [locale.date_formats[form] for form in FORMATS]
        of_locale += [locale.datetime_skeletons[skeleton] for skeleton in SKELETONS]
        medium = locale.date_formats["medium"].pattern
        for pattern, written in {each.pattern: each for each in of_locale}.items():
            unseen = name in HELD_OUT and pattern == medium
            (held_out if unseen else seen).append((name, written))
    splits: dict[str, list[tuple[str, str]]] = {}
    for split, count in NUM_PAIRS.items():
        styles = held_out if split == "formats" else seen
        splits[split] = []
        for ordinal in rng.choice(of_split[split], count).tolist():
            name, written = styles[rng.integers(len(styles))]
            day = datetime.date.fromordinal(ordinal)
            splits[split].append((f"{name} {written.apply(day, name)}", day.isoformat()))
    return splits
