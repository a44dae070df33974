"""Tagged sentences from TensorFlow Datasets, such as `tfds:conll2003`."""

from typing import Any

from rnnjax.data.tfds import TfdsDataset
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.schemes import is_tag
from rnnjax.tasks.tagging.sentences import Sentence


def tagged_sentences(spec: str) -> dict[str, list[Sentence]]:
    """The splits of a data set of token and tag sequences, tags as they are written there.

    Args:
        spec: `NAME` or `NAME:FEATURE`, the feature that holds the tags: a sequence of class labels
            such as B-PER. Without one it is `ner`, or the only such sequence. The tokens are the
            feature `tokens`, or the only sequence of texts.

    Returns:
        {"train", "validation", "test", those that there are: the sentences}.

    Raises:
        UserError: no such data set or feature, no network, no TensorFlow, an example without
            tokens or with tags that are none.
    """
    dataset = TfdsDataset(spec)
    tokens = dataset.choose("sequence of texts", _holds_texts, usual="tokens", by_user=False)
    tags = dataset.choose("sequence of class labels such as B-PER", _holds_tags, usual="ner")
    names = dataset.features[tags].feature.names

    def sentence(example: Any, place: str) -> Sentence:
        words = tuple(bytes(word).decode() for word in example[tokens])
        labels = [int(label) for label in example[tags]]
        if not words or len(words) != len(labels):
            raise UserError(
                f"{place}: {len(words)} tokens in {tokens!r} and {len(labels)} tags in {tags!r}: "
                f"expected as many, and at least one"
            )
        if min(labels) < 0:
            raise UserError(f"{place} has a token without a tag (class {min(labels)})")
        return Sentence(words, tuple(names[n] for n in labels), place)

    return dataset.read(sentence)


def _holds_texts(feature: Any) -> bool:
    from tensorflow_datasets.core.features import Text

    return isinstance(getattr(feature, "feature", None), Text)


def _holds_tags(feature: Any) -> bool:
    from tensorflow_datasets.core.features import ClassLabel

    inner = getattr(feature, "feature", None)
    return isinstance(inner, ClassLabel) and all(map(is_tag, inner.names))
