"""From the names of a config to vocabulary and batches."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from rnnjax.data import Vocabulary, bucket_lengths
from rnnjax.data.padded_batches import EvaluationBatches, Examples, Ragged, TrainingBatches
from rnnjax.data.prepared import Prepared, digest_of
from rnnjax.errors import UserError
from rnnjax.tasks.naming.config import NamingConfig
from rnnjax.tasks.naming.names import Name, class_counts, load_names

END = "\n"
"""The symbol after the last character of a name."""


def prepare(
    config: NamingConfig,
    vocabulary: Vocabulary | None = None,
    stored: Mapping[str, str] = MappingProxyType({}),
) -> Prepared:
    """Loads the names of a config and makes vocabulary and batches.

    A batch holds `inputs` and `targets` int32 `[T, B]`, `class` int32 `[B]` and `lengths` int32
    `[B]`, which counts the end symbol.

    Args:
        vocabulary: one that a model was trained with.
        stored: what its checkpoints hold, `classes` among it.

    Raises:
        UserError: see `load_names`; no name is left for validation; too few characters are frequent
            enough; or the classes are not those that the model was trained with.
    """
    names = load_names(config)
    train, classes = names.splits["train"], list(class_counts(names.splits))
    if not names.splits["validation"]:
        raise UserError(f"{config.data}: no name is left for validation, as {len(classes)} classes "
                        "need those that were drawn for training")  # fmt: skip
    if "classes" in stored and (known := [*json.loads(stored["classes"])]) != classes:
        told, expected = (", ".join(its) or "none" for its in (classes, known))
        raise UserError(f"{config.data} has the classes {told}; the restored model has {expected}")
    vocabulary = vocabulary or vocabulary_of(train, config.min_count)
    examples = name_examples(train, vocabulary, classes)
    lengths = examples.ragged["lengths"].lengths
    buckets = bucket_lengths(lengths, config.num_buckets, batch_size=config.batch_size)
    held_out = name_examples(names.splits["validation"], vocabulary, classes, buckets)
    examples = name_examples(train, vocabulary, classes, buckets)
    unknown = [
        f"{np.mean(vocabulary.encode(''.join(name.text for name in part)) == 0):.2%} of {split}"
        for split, part in names.splits.items()
    ]
    return Prepared(
        TrainingBatches(examples, batch_size=config.batch_size, seed=config.seed),
        EvaluationBatches(held_out, batch_size=config.batch_size),
        f"{names.describe()}\n{len(vocabulary) - 2} characters; unknown: {', '.join(unknown)}",
        names.splits,
        digest_of([name[:2] for name in train]),
        vocabulary,
    )


def vocabulary_of(names: Sequence[Name], min_count: int) -> Vocabulary:
    """The end symbol and the characters that stand in at least so many distinct names.

    What is rarer is read as the unknown symbol, so that a model learns how likely that one is.

    Raises:
        UserError: there is no such character.
    """
    counts = Counter(character for text in {name.text for name in names} for character in set(text))
    kept = [character for character, count in counts.items() if count >= min_count]
    if not kept:
        raise UserError(
            f"no character stands in {min_count} training names: lower --config.min_count"
        )
    return Vocabulary.of_text([END, *kept])


def name_examples(
    names: Sequence[Name],
    vocabulary: Vocabulary,
    classes: Sequence[str],
    buckets: Sequence[int] | None = None,
) -> Examples:
    """Names as examples: `inputs`, `targets` and `class`; see `prepare`.

    Args:
        names: of the given classes, or of none.
        classes: in the order of their numbers; empty: there are none.
    """
    ids = [vocabulary.encode(name.text + END) for name in names]
    number_of = {label: np.array(n, np.int32) for n, label in enumerate(classes)}
    start = np.array([len(vocabulary)], np.int32)
    lengths = np.array(list(map(len, ids)))
    return Examples(
        lambda n: {
            "inputs": np.concatenate([start, ids[n][:-1]]),
            "targets": ids[n],
            "class": number_of.get(names[n].label, np.array(0, np.int32)),
        },
        len(names),
        {"lengths": Ragged(("inputs", "targets"), lengths, buckets)},
        noun="name",
        name_of=lambda n: repr(names[n].text),
    )
