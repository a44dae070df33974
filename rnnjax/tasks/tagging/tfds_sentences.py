"""Tagged sentences from TensorFlow Datasets, in the manner of `tfds:conll2003`."""

from collections.abc import Iterator, Sequence
from typing import Any

from rnnjax.data.tfds import choose_feature, name_and_feature, prepared, told_simply
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.schemes import prefix_and_type
from rnnjax.tasks.tagging.sentences import Sentence

SPLITS = {"train": "train", "validation": "validation", "valid": "validation",
          "dev": "validation", "test": "test"}  # fmt: skip
"""TFDS's names of splits that are read, and what they are here."""

OFFLINE = "Without a network use --config.data=embedded or a folder of column files."


def tagged_sentences(spec: str, *, data_dir: str | None = None) -> dict[str, list[Sentence]]:
    """The splits of a data set of token and tag sequences, tags as they stand there.

    Args:
        spec: `NAME` or `NAME:FEATURE`, the feature that holds the tags: a sequence of class labels
            such as B-PER. Without one it is `ner`, or the only such sequence. The tokens are the
            feature `tokens`, or the only sequence of texts.
        data_dir: TFDS's folder; None: its default (~/tensorflow_datasets, or TFDS_DATA_DIR).

    Returns:
        {"train", "validation", "test", those that there are: the sentences}, all in document 0.

    Raises:
        UserError: no such data set or feature, no network, no TensorFlow, an example without
            tokens or with tags that are none.
    """
    name, wanted = name_and_feature(spec)
    builder = prepared(name, OFFLINE, data_dir=data_dir)
    features = builder.info.features
    tokens = choose_feature(
        name, "sequence of texts", features, _holds_texts, usual="tokens", by_user=False
    )
    tags = choose_feature(
        name,
        "sequence of class labels such as B-PER",
        features,
        _holds_tags,
        usual="ner",
        wanted=wanted,
    )
    names = features[tags].feature.names
    with told_simply(name, OFFLINE):
        return {
            SPLITS[split]: list(_examples(f"tfds:{name} {split}", source, tokens, tags, names))
            for split, source in builder.as_data_source().items()
            if split in SPLITS
        }


def _holds_texts(feature: Any) -> bool:
    from tensorflow_datasets.core.features import Text

    return isinstance(getattr(feature, "feature", None), Text)


def _holds_tags(feature: Any) -> bool:
    from tensorflow_datasets.core.features import ClassLabel

    inner = getattr(feature, "feature", None)
    try:
        return isinstance(inner, ClassLabel) and all(map(prefix_and_type, inner.names))
    except UserError:
        return False


def _examples(
    place: str, source: Any, tokens: str, tags: str, names: Sequence[str]
) -> Iterator[Sentence]:
    for n in range(len(source)):
        example = source[n]
        words = tuple(bytes(word).decode() for word in example[tokens])
        labels = [int(label) for label in example[tags]]
        if not words or len(words) != len(labels):
            raise UserError(
                f"{place} {n}: {len(words)} tokens in {tokens!r} and {len(labels)} tags in "
                f"{tags!r}: expected as many, and at least one"
            )
        if min(labels) < 0:
            raise UserError(f"{place} {n} has a token without a tag (class {min(labels)})")
        yield Sentence(words, tuple(names[label] for label in labels), f"{place} {n}", 0)
