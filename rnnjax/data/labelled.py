"""Examples with a label: columns of a file, classes, and the folds of one file."""

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnnjax.data.examples import Example, read_examples
from rnnjax.data.named_splits import SPLITS
from rnnjax.errors import UserError, did_you_mean

FOLDS = 10
"""Of one file that is divided into training, validation and test."""


def as_column(column: str) -> str | int:
    """The name of a column, or its number where it is one; see `read_examples`."""
    return int(column) if re.fullmatch(r"-?\d+", column) else column


def read_columns(
    path: str, columns: Mapping[str, str | int], *, encoding: str, kind: str | None = None
) -> list[Example]:
    """As `read_examples`; an error about a column names the flag that chooses it.

    Args:
        path, encoding, kind: as for `read_examples`.
        columns: by field; the flag of a field is `--config.FIELD_column`.
    """
    try:
        return read_examples(path, columns, kind=kind, encoding=encoding)
    except UserError as error:
        for field, column in columns.items():
            if f" no column {column!r}" in str(error) or f" has no {column!r}" in str(error):
                raise UserError(f"{error} (--config.{field}_column)") from error
        raise


def classes_of(examples: Sequence[Example]) -> tuple[str, ...]:
    """The distinct labels: by value if all are whole numbers, then by code point."""
    labels = sorted({one.fields["label"] for one in examples})
    return tuple(sorted(labels, key=int if are_numbers(labels) else None))


def are_numbers(labels: Collection[str]) -> bool:
    """Whether all labels are whole numbers, such as stars."""
    return all(re.fullmatch(r"[+-]?\d+", label) for label in labels)


def check_classes(
    splits: Mapping[str, Sequence[Any]],
    source: str,
    noun: str,
    label_of: Callable[[Any], str] = lambda one: one.fields["label"],
    least: int = 2,
) -> None:
    """Checks that the training split has the labels of all splits.

    Args:
        splits: of the source; examples, or what else has a `place`.
        least: how many labels there are at least.

    Raises:
        UserError: it has not, or there are fewer.
    """
    known = {label_of(one) for one in splits["train"]}
    if len(known) < least:
        only = known.pop()
        raise UserError(f"{source}: all training {noun}s have the label {only!r}: expected two")
    for split, examples in splits.items():
        for one in examples:
            if (label := label_of(one)) not in known:
                raise UserError(
                    f"{one.place} has the label {label!r}, and no training {noun} has it (this is "
                    f"the {split} split): {did_you_mean(label, known)}"
                )


def check_labels(labels: Iterable[str], known: Sequence[str], source: str) -> None:
    """Raises UserError unless a restored model knows the labels of a source."""
    for label in labels:
        if label not in known:
            raise UserError(
                f"{source} has the label {label!r}, which the restored model does not know: "
                f"{did_you_mean(label, known)}"
            )


def drawn_folds(size: int, folds: int) -> list[np.ndarray]:
    """The indices 0 .. size - 1 in random order, the same in every run, in folds of equal size."""
    return np.array_split(np.random.default_rng(0).permutation(size), folds)


def drawn_splits(
    examples: Sequence[Example], fold: int, source: str, noun: str
) -> dict[str, list[Example]]:
    """Divides the examples of one file at random, as files may be sorted by label.

    Args:
        fold: which of `FOLDS` folds is for the test; the one after it is for validation.

    Raises:
        UserError: there are fewer examples than folds.
    """
    if len(examples) < FOLDS:
        name = os.path.basename(source)
        raise UserError(f"{name} has {len(examples)} {noun}s: expected {FOLDS} or more to divide")
    folds = drawn_folds(len(examples), FOLDS)
    rows = {"test": folds.pop(fold), "validation": folds.pop(fold % len(folds))}
    rows["train"] = np.sort(np.concatenate(folds))
    return {split: [examples[n] for n in rows[split].tolist()] for split in SPLITS}
