"""Tagged sentences from TensorFlow Datasets, in the manner of `tfds:conll2003`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rnnjax.data.sentences import Sentence
from rnnjax.data.tfds import name_and_feature, prepared, told_simply
from rnnjax.errors import UserError, did_you_mean
from rnnjax.schemes import prefix_and_type

SPLITS = {"train": "train", "validation": "validation", "valid": "validation",
          "dev": "validation", "test": "test"}  # fmt: skip
"""TFDS's names of splits that are read, and what they are here."""


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
    builder = prepared(name, data_dir=data_dir)
    from tensorflow_datasets.core.features import ClassLabel, Text

    features = builder.info.features
    tokens = _choose(name, "tokens", None, _sequences(features, lambda f: isinstance(f, Text)))
    tags = _choose(
        name, "ner", wanted, _sequences(features, lambda f: isinstance(f, ClassLabel) and _tags(f))
    )
    names = features[tags].feature.names
    with told_simply(name):
        return {
            SPLITS[split]: list(_examples(f"tfds:{name} {split}", source, tokens, tags, names))
            for split, source in builder.as_data_source().items()
            if split in SPLITS
        }


def _sequences(features: Mapping[str, Any], of: Callable[[Any], bool]) -> list[str]:
    return [key for key, f in features.items() if hasattr(f, "feature") and of(f.feature)]


def _tags(feature: Any) -> bool:
    try:
        return all(prefix_and_type(name) for name in feature.names)
    except UserError:
        return False


def _choose(name: str, usual: str, wanted: str | None, found: Sequence[str]) -> str:
    kind = "texts" if usual == "tokens" else "class labels such as B-PER"
    if not found:
        raise UserError(f"tfds:{name} has no sequence of {kind}")
    if wanted is not None and wanted not in found:
        raise UserError(
            f"tfds:{name} has no sequence {wanted!r} of {kind}: {did_you_mean(wanted, found)}"
        )
    if wanted is None and usual not in found and len(found) > 1:
        raise UserError(
            f"tfds:{name} has several sequences of {kind}: {', '.join(sorted(found))}"
            + ("" if usual == "tokens" else f"; choose one by --config.data=tfds:{name}:FEATURE")
        )
    return wanted or (usual if usual in found else found[0])


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
