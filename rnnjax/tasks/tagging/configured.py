"""What a config asks for: its sentences, and these in numbers."""

from rnnjax.tasks.tagging.config import TaggingConfig
from rnnjax.tasks.tagging.corpora import load_tagged
from rnnjax.tasks.tagging.preparation import Prepared, prepare
from rnnjax.tasks.tagging.sentences import TaggedCorpus
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary


def load_corpus(config: TaggingConfig) -> TaggedCorpus:
    """The sentences of a config, in splits; see `data.load_tagged` for what it raises."""
    return load_tagged(
        config.data,
        strict=config.strict,
        token_column=config.token_column,
        tag_column=config.tag_column,
        encoding=config.encoding,
    )


def prepare_corpus(
    config: TaggingConfig,
    corpus: TaggedCorpus,
    vocabulary: TaggingVocabulary | None = None,
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
