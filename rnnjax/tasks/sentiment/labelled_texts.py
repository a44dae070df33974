"""Texts with a label, from files and from the reviews that ship with rnnjax."""

from pathlib import Path

from rnnjax import data
from rnnjax.data import tfds
from rnnjax.data.examples import SUFFIXES, numbered_lines, suffix_of
from rnnjax.data.labelled import (
    FOLDS,
    as_column,
    check_classes,
    classes_of,
    drawn_folds,
    drawn_splits,
    read_columns,
)
from rnnjax.data.named_splits import SPLITS, split_files
from rnnjax.errors import UserError
from rnnjax.tasks.sentiment.config import SentimentConfig

EMBEDDED = Path(__file__).parent / "embedded/reviews.tsv"
"""Reviews written for this project (CC0): stars, topic and text in a line each."""

HELD_OUT = {
    "validation": ("hairdresser", "museum", "train journey"),
    "test": ("film", "headphones", "hotel"),
}
"""Topics of the embedded reviews that are not trained on."""

STARS = ("1", "2", "3", "4", "5")

Splits = dict[str, list[data.Example]]
"""Examples by split, each with the fields text and label."""


def load_texts(config: SentimentConfig) -> Splits:
    """The labelled texts of a config, by split.

    Its data are `embedded`; `tfds:NAME`; a folder whose files say in their names which split they
    hold, or `train=PATH,validation=PATH,test=PATH` (see `rnnjax.data.named_splits`); or one file,
    of which a tenth each is drawn for test and validation, the same in every run. See `read_texts`
    for the files. Of a data set of TFDS without a validation split, the tenth `fold` of training
    is for validation.

    Raises:
        UserError: there is no such source, it cannot be read, a split is missing, a text or label
            is empty, there are fewer than two classes, or one that the training split has not.
    """
    source, names = config.data, (config.text_column, config.label_column)
    if source == "embedded":
        splits = by_topic(read_reviews(EMBEDDED))
    elif source.startswith("tfds:"):
        read = tfds.labelled(source.removeprefix("tfds:"), *names)
        splits = {split: _checked(examples) for split, examples in read.items()}
        if "train" not in splits:
            raise UserError(f"{source} has no train split with labels")
        if "validation" not in splits:
            folds = drawn_folds(len(splits["train"]), FOLDS)
            train, held_out = splits["train"], set(folds[config.fold].tolist())
            splits["validation"] = [train[n] for n in sorted(held_out)]
            splits["train"] = [one for n, one in enumerate(train) if n not in held_out]
    else:
        found = split_files(source, pool=True)
        columns = dict(zip(("text", "label"), map(as_column, names), strict=True))
        splits = found.read(lambda path: read_texts(str(path), columns, config.encoding))
        if found.pooled:
            splits = drawn_splits(splits["train"], config.fold, source, "text")
    check_classes(splits, source, "text")
    return splits


def read_texts(path: str, columns: dict[str, str | int], encoding: str) -> list[data.Example]:
    """The labelled texts of a file.

    Args:
        path: of a TSV, CSV or JSONL file (see `data.read_examples`). Any other file has a label, a
            blank and a text in a line, as those of Kim 2014 have.
        columns: of the fields text and label.

    Raises:
        UserError: it cannot be read, or a text or label is empty.
    """
    if suffix_of(path) in SUFFIXES:
        examples = read_columns(path, columns, encoding=encoding)
    else:
        lines = numbered_lines(path, encoding=encoding)
        rows = ((place, line.strip().partition(" ")) for place, line in lines)
        examples = [data.Example({"label": row[0], "text": row[2]}, place) for place, row in rows]
    if not examples:
        raise UserError(f"{path} has no texts")
    for one in examples:
        one.fields.update({field: value.strip() for field, value in one.fields.items()})
    return _checked(examples)


def _checked(examples: list[data.Example]) -> list[data.Example]:
    """Examples, none of whose fields is empty."""
    for one in examples:
        for field, value in one.fields.items():
            if not value.strip():
                raise UserError(f"{one.place}: the {field} is empty")
    return examples


def read_reviews(path: Path) -> list[data.Example]:
    """The reviews of a TSV file without header: stars from 1 to 5, topic, text."""
    return read_texts(str(path), {"label": 0, "topic": 1, "text": 2}, "utf-8")


def besides_stars(examples: list[data.Example]) -> str:
    """A line that names labels that stand beside those of 1 to 5 stars; empty: there are none."""
    labels = classes_of(examples)
    odd = [label for label in labels if label not in STARS]
    if not 0 < len(odd) < len(STARS) or not {*STARS} <= {*labels}:
        return ""
    first = next(one.place for one in examples if one.fields["label"] in odd)
    return f"classes besides 1 to 5 stars: {', '.join(odd)}, first {first}."


def by_topic(reviews: list[data.Example]) -> Splits:
    """Divides reviews: topics of `HELD_OUT` for validation and test, all others for training."""
    split_of = {topic: split for split, topics in HELD_OUT.items() for topic in topics}
    splits: Splits = {split: [] for split in SPLITS}
    for one in reviews:
        splits[split_of.get(one.fields["topic"], "train")].append(one)
    return splits
