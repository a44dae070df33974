"""Names and their classes: from Faker, from the standard library, and from files."""

import importlib
import platform
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import metadata
from operator import attrgetter
from pathlib import PurePath
from typing import NamedTuple

from rnnjax.data.bundled_text import python_source
from rnnjax.data.labelled import as_column, check_classes, read_columns
from rnnjax.data.named_splits import also_in_training, drawn_in_shares, split_files
from rnnjax.errors import UserError
from rnnjax.tasks.naming.config import NamingConfig

LOCALES = (
    "de_AT", "el_GR", "en_IE", "es_ES", "fi_FI", "fr_FR", "he_IL", "hr_HR", "it_IT", "nl_NL",
    "ru_RU", "uk_UA",
)  # fmt: skip
"""The classes of the embedded names: eight in Latin script, two in Cyrillic, Greek, Hebrew."""

IDENTIFIERS = {
    "class": r"^[ \t]*class (\w+)[ \t]*[(:]",
    "constant": r"^([A-Z][A-Z0-9_]+)(?:[ \t]*:[^=\n]+)?[ \t]*=[^=]",
    "function": r"^[ \t]*(?:async )?def (\w+)[ \t]*\(",
}
"""How a line of Python source begins that defines an identifier of each class."""

SHARES = {"train": 8, "validation": 1, "test": 1}
"""Tenths of the distinct names, where the source has no splits."""


class Name(NamedTuple):
    """A name of a source.

    Attributes:
        text: in Unicode's form NFC, with one space for any white space within it.
        label: its class; empty: it has none.
        place: where it is, for messages.
    """

    text: str
    label: str = ""
    place: str = ""


Splits = dict[str, list[Name]]


class Names(NamedTuple):
    """Names for training and held-out ones.

    Attributes:
        splits: train, validation, and where there is one test.
        source: what they are, in a phrase.
    """

    splits: Splits
    source: str

    def describe(self) -> str:
        """The sizes, the classes, and how many names several classes or splits share."""
        sizes = ", ".join(f"{name} {len(part):,}" for name, part in self.splits.items())
        lines = [f"{self.source}: {sizes}"]
        if counts := class_counts(self.splits):
            classes = ", ".join(f"{label} {count:,}" for label, count in counts.items())
            distinct = {name[:2] for part in self.splits.values() for name in part}
            shared = Counter(text for text, _ in distinct)
            several = sum(count > 1 for count in shared.values())
            lines.append(
                f"classes of the training names: {classes}; {several:,} of {len(shared):,} names "
                f"stand in several classes"
            )
        return "\n".join([*lines, *also_in_training(self.splits, "names", lambda one: one.text)])


def class_counts(splits: Splits) -> dict[str, int]:
    """How many training names each class has, by class; empty: there are no classes."""
    counts = Counter(name.label for name in splits["train"])
    return {} if "" in counts else dict(sorted(counts.items()))


def load_names(config: NamingConfig) -> Names:
    """The names of a config.

    Where a source has no splits, its distinct names are divided at random, the same way in every
    run: a name that stands in several classes is in one split with all of them.

    Raises:
        UserError: the source cannot be read, a name or class is empty, there are too few names, or
            a held-out name has a class without training names.
    """
    if config.data == "embedded" and (version := _version_of_faker()):
        source, names = f"family names of Faker {version}", faker_names()
    elif config.data in ("embedded", "identifiers"):
        source, names = f"identifiers of Python {platform.python_version()}", identifiers()
        if config.data == "embedded":
            source += " (Faker is not installed: pip install 'rnnjax[names]' gives family names)"
    else:
        columns = {"name": as_column(config.name_column)}
        if config.class_column:
            columns["class"] = as_column(config.class_column)
        files = split_files(config.data, pool=True)
        splits = files.read(lambda path: _read(str(path), columns, config.encoding))
        if not files.pooled:
            check_classes(splits, config.data, "name", attrgetter("label"), least=1)
            return Names(splits, f"names of {config.data} ({files.describe()})")
        source, names = f"names of {config.data}", splits["train"]
    if not config.class_column:
        names = (name._replace(label="") for name in names)
    return Names(_divided(names, config.data), source)


def clean(text: str) -> str:
    """A name in Unicode's form NFC, with one space for any white space within it."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def faker_names() -> Iterable[Name]:
    """Yields the family names of Faker's providers for `LOCALES`."""
    for locale in LOCALES:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for text in sorted(set(map(clean, provider.last_names))):
            yield Name(text, locale, f"Faker's {locale}")


def identifiers() -> Iterable[Name]:
    """Yields what the source of the standard library defines, each identifier once a class."""
    found = {}
    for document in python_source():
        text = b"".join(document.chunks).decode().replace("\r\n", "\n")
        path = PurePath(document.name)
        module = path.parent.name if path.stem == "__init__" else path.stem
        found[module, "module"] = document.name
        for label, pattern in IDENTIFIERS.items():
            for name in re.findall(pattern, text, re.MULTILINE):
                found[name, label] = document.name
    return (Name(text, label, place) for (text, label), place in sorted(found.items()))


def _version_of_faker() -> str:
    try:
        return metadata.version("Faker")
    except metadata.PackageNotFoundError:
        return ""


def _read(path: str, columns: dict[str, str | int], encoding: str) -> Iterator[Name]:
    for fields, place in read_columns(path, columns, encoding=encoding):
        cleaned = {field: clean(text) for field, text in fields.items()}
        for field, text in cleaned.items():
            if not text:
                raise UserError(f"{place} has an empty {field} in column {columns[field]!r}")
        yield Name(cleaned["name"], cleaned.get("class", ""), place)


def _divided(names: Iterable[Name], source: str) -> Splits:
    """Divides names by their text; of each class at least one goes to training."""
    by_text: dict[str, list[Name]] = {}
    for name in names:
        by_text.setdefault(name.text, []).append(name)
    if len(by_text) < sum(SHARES.values()):
        raise UserError(
            f"{source} has {len(by_text)} distinct names: at least {sum(SHARES.values())} are "
            "needed to hold some out, or files of train, validation and test"
        )
    texts = sorted(by_text)
    parts = drawn_in_shares(len(texts), *SHARES.values())
    splits = {
        split: [name for n in part for name in by_text[texts[n]]]
        for split, part in zip(SHARES, parts, strict=True)
    }
    for split in ("validation", "test"):
        known = {name.label for name in splits["train"]}
        rare = {name.text for name in splits[split] if name.label not in known}
        splits["train"] += [name for name in splits[split] if name.text in rare]
        splits[split] = [name for name in splits[split] if name.text not in rare]
    return splits
