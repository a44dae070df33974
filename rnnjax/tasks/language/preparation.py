"""From the text of a config to windows."""

import jax
import numpy as np

from rnnjax import data, training
from rnnjax.data.prepared import Prepared, Shapes
from rnnjax.errors import UserError
from rnnjax.tasks.language.config import LanguageConfig

ASSUMED_SYMBOLS = data.Vocabulary.of_bytes()
"""The vocabulary of data that are not read: as many symbols as there are bytes."""


def load_corpus(config: LanguageConfig, vocabulary: data.Vocabulary | None = None) -> data.Corpus:
    """The text of a config, encoded; with a trained model's vocabulary where one is given."""
    return data.load(
        config.data,
        level=config.level,
        encoding=config.encoding,
        valid_fraction=config.valid_fraction,
        vocabulary=vocabulary,
    )


def prepare(config: LanguageConfig, vocabulary: data.Vocabulary | None = None) -> Prepared:
    """Makes vocabulary and windows.

    Args:
        vocabulary: one that a model was trained with.

    Raises:
        UserError: the text cannot be read, or is too short.
    """
    corpus = load_corpus(config, vocabulary)
    windows = data.TrainingWindows(
        corpus.splits["train"],
        batch_size=config.batch_size,
        window=config.window,
        bptt=config.bptt or None,
        seed=config.seed,
        rotate=config.data != "hello",
    )
    if "validation" not in corpus.splits:
        raise UserError(
            f"{config.data} has no validation split: --config.valid_fraction above 0 takes one of "
            f"the text; got {config.valid_fraction}"
        )
    held_out = data.EvaluationWindows(
        corpus.splits["validation"], batch_size=config.batch_size, window=config.window
    )
    about = corpus.describe()
    if windows.rows_overlap:
        steps = config.bptt or config.window
        about += (
            f"\nThe training text has {len(corpus.splits['train'].ids):,} symbols: the "
            f"{config.batch_size} rows of a batch, of {steps} steps each, overlap."
        )
    read = corpus.splits, corpus.digest(), corpus.vocabulary
    return Prepared(windows, held_out, about, *read)


def abstract_data(config: LanguageConfig) -> Shapes:
    """The shapes of a config's data; only the vocabulary is read, and that of TFDS is assumed."""
    vocabulary = ASSUMED_SYMBOLS
    if config.level == "char" and config.data.startswith("tfds:"):
        training.say(f"{config.data} is not read here: {len(vocabulary)} symbols are assumed.")
    elif config.level == "char":
        vocabulary = load_corpus(config).vocabulary
    shape = (config.bptt or config.window, config.batch_size)
    kinds = {"inputs": np.int32, "targets": np.int32, "reset": np.bool_, "mask": np.bool_}
    batch = {name: jax.ShapeDtypeStruct(shape, kind) for name, kind in kinds.items()}
    return Shapes(batch, config.window * config.batch_size, tuple(kinds), vocabulary)
