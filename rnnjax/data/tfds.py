"""Documents from TensorFlow Datasets, read without TensorFlow once they are prepared."""

import contextlib
import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from rnnjax.data.decoding import Document
from rnnjax.errors import UserError, did_you_mean

OFFLINE = "Without a network use --config.data=embedded or the path of a text file."


def documents(spec: str, *, data_dir: str | None = None) -> dict[str, Iterator[Document]]:
    """The splits of a data set, a document an example.

    What lies prepared as array_record in `data_dir` is read as it is. Anything else is downloaded
    and prepared first, for which TFDS needs TensorFlow.

    Args:
        spec: `NAME`, `NAME/CONFIG`, `NAME:VERSION`, each with `:FEATURE` behind it or not: the text
            feature to read where there is more than one.
        data_dir: TFDS's folder; None: its default (~/tensorflow_datasets, or TFDS_DATA_DIR).

    Returns:
        {split name: documents}, with TFDS's own split names.

    Raises:
        UserError: no such data set or feature, no network, no TensorFlow.
    """
    name, feature = name_and_feature(spec)
    builder = prepared(name, data_dir=data_dir)
    from tensorflow_datasets.core.features import Text

    with told_simply(name):
        sources = builder.as_data_source()
        feature = _text_feature(name, feature, builder.info.features, Text)
    return {split: _examples(name, split, source, feature) for split, source in sources.items()}


def prepared(name: str, *, data_dir: str | None = None) -> Any:
    """The TFDS builder of a data set, downloaded and prepared if it does not lie ready.

    Args:
        name: `NAME`, `NAME/CONFIG` or `NAME:VERSION`.
        data_dir: TFDS's folder; None: its default.

    Raises:
        UserError: no such data set, no network, no TensorFlow.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(
            f"tfds:{name} needs the package tensorflow_datasets ({error}): "
            f"pip install 'rnnjax[tfds]'. {OFFLINE}"
        ) from error

    with told_simply(name):
        try:
            builder = tfds.builder(name, data_dir=data_dir)
        except tfds.core.DatasetNotFoundError as error:
            known = tfds.list_builders(with_community_datasets=False)
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean tfds:{near[0]}? " if near else ""
            raise UserError(f"TFDS has no data set {name!r}. {hint}{OFFLINE}") from error
        if not builder.is_prepared():
            builder.download_and_prepare(file_format="array_record")
    return builder


def _examples(name: str, split: str, source: Any, feature: str) -> Iterator[Document]:
    with told_simply(name):
        for n in range(len(source)):
            yield Document(f"tfds:{name} {split} {n}", [source[n][feature]])


def name_and_feature(spec: str) -> tuple[str, str | None]:
    """What stands before and behind the last colon of `NAME:FEATURE`; a version is no feature."""
    name, colon, last = spec.rpartition(":")
    is_version = last[:1].isdigit() or last.startswith("*")
    return (name, last) if colon and not is_version else (spec, None)


def _text_feature(
    name: str, wanted: str | None, features: Mapping[str, Any], text_type: type
) -> str:
    texts = [key for key, feature in features.items() if isinstance(feature, text_type)]
    if wanted in texts:
        return wanted
    if wanted is not None:
        raise UserError(
            f"tfds:{name} has no text feature {wanted!r}: {did_you_mean(wanted, texts)}"
        )
    if "text" in texts:
        return "text"
    if len(texts) == 1:
        return texts[0]
    if not texts:
        raise UserError(f"tfds:{name} has no text feature, only {', '.join(sorted(features))}")
    raise UserError(f"tfds:{name} has several texts: choose one by --config.data=tfds:{name}:NAME, "
                    f"NAME one of {', '.join(sorted(texts))}")  # fmt: skip


@contextlib.contextmanager
def told_simply(name: str) -> Iterator[None]:
    """TFDS fails in as many ways as the network and its many builders do: each becomes a line."""
    try:
        yield
    except UserError:
        raise
    except ImportError as error:
        raise UserError(
            f"tfds:{name} is not prepared on this machine as array_record, and to prepare it TFDS "
            f"needs TensorFlow ({_first_line(error)}): pip install 'rnnjax[tfds]'. {OFFLINE}"
        ) from error
    except Exception as error:
        raise UserError(
            f"tfds:{name} cannot be had: {type(error).__name__}: {_first_line(error)}. {OFFLINE}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no reason given").splitlines()[0]
