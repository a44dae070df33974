"""What a config asks for: its sentences, in numbers, with the vocabulary of its checkpoint."""

from pathlib import Path

from rnnjax import data, training
from rnnjax.errors import UserError
from rnnjax.schemes import Scheme
from rnnjax.tagging.config import TaggingConfig
from rnnjax.tagging.preparation import Prepared, prepare


def load_corpus(config: TaggingConfig) -> data.TaggedCorpus:
    """The sentences of a config, in splits; see `data.load_tagged` for what it raises."""
    return data.load_tagged(
        config.data,
        strict=config.strict,
        token_column=config.token_column,
        tag_column=config.tag_column,
        encoding=config.encoding,
    )


def prepare_corpus(
    config: TaggingConfig,
    corpus: data.TaggedCorpus,
    vocabulary: data.TaggingVocabulary | None = None,
) -> Prepared:
    """A corpus in numbers, as a config says; see `prepare` for what it raises.

    Args:
        config: of the run.
        corpus: see `load_corpus`.
        vocabulary: one that a model was trained with.
    """
    return prepare(
        corpus,
        scheme=config.scheme,
        batch_size=config.batch_size,
        num_buckets=config.num_buckets,
        seed=config.seed,
        swap_rate=config.swap_rate,
        vectors_file=config.vectors,
        encoding=config.encoding,
        vocabulary=vocabulary,
    )


def stored_vocabulary(folder: str | Path, scheme: Scheme) -> data.TaggingVocabulary:
    """The vocabulary that a checkpoint was trained with.

    Args:
        folder: a workdir or a checkpoint.
        scheme: that its tags must be of.

    Raises:
        UserError: they are not, or there is no checkpoint.
    """
    text = training.read_meta(folder).extra.get("vocabulary", "")
    vocabulary = data.TaggingVocabulary.from_json(text)
    if vocabulary.scheme != scheme:
        raise UserError(
            f"{folder} was trained with --config.scheme={vocabulary.scheme}, not {scheme}"
        )
    return vocabulary
