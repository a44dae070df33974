"""Documents from TensorFlow Datasets, read without TensorFlow once they are prepared."""

import contextlib
import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rnnjax.data.decoding import Document
from rnnjax.errors import UserError, did_you_mean

OFFLINE = "Without a network use --config.data=embedded or the path of a text file."
"""What a message recommends where it is text that cannot be had."""


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
    builder = prepared(name, OFFLINE, data_dir=data_dir)
    from tensorflow_datasets.core.features import Text

    with told_simply(name, OFFLINE):
        sources = builder.as_data_source()
        feature = choose_feature(
            name,
            "text feature",
            builder.info.features,
            lambda feature: isinstance(feature, Text),
            usual="text",
            wanted=feature,
        )
    return {split: _examples(name, split, source, feature) for split, source in sources.items()}


def prepared(name: str, offline: str, *, data_dir: str | None = None) -> Any:
    """The TFDS builder of a data set, downloaded and prepared if it does not lie ready.

    Args:
        name: `NAME`, `NAME/CONFIG` or `NAME:VERSION`.
        offline: what a message recommends where it cannot be had.
        data_dir: TFDS's folder; None: its default.

    Raises:
        UserError: no such data set, no network, no TensorFlow.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(
            f"tfds:{name} needs the package tensorflow_datasets ({error}): "
            f"pip install 'rnnjax[tfds]'. {offline}"
        ) from error

    with told_simply(name, offline):
        try:
            builder = tfds.builder(name, data_dir=data_dir)
        except tfds.core.DatasetNotFoundError as error:
            known = tfds.list_builders(with_community_datasets=False)
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean tfds:{near[0]}? " if near else ""
            raise UserError(f"TFDS has no data set {name!r}. {hint}{offline}") from error
        if not builder.is_prepared():
            builder.download_and_prepare(file_format="array_record")
    return builder


def _examples(name: str, split: str, source: Any, feature: str) -> Iterator[Document]:
    with told_simply(name, OFFLINE):
        for n in range(len(source)):
            yield Document(f"tfds:{name} {split} {n}", [source[n][feature]])


def name_and_feature(spec: str) -> tuple[str, str | None]:
    """What stands before and behind the last colon of `NAME:FEATURE`; a version is no feature."""
    name, colon, last = spec.rpartition(":")
    is_version = last[:1].isdigit() or last.startswith("*")
    return (name, last) if colon and not is_version else (spec, None)


def choose_feature(
    name: str,
    kind: str,
    features: Mapping[str, Any],
    fits: Callable[[Any], bool],
    *,
    usual: str,
    wanted: str | None = None,
    by_user: bool = True,
) -> str:
    """The name of a data set's feature to read.

    Args:
        name: of the data set.
        kind: of feature that it takes, for messages.
        features: by name.
        fits: whether a feature is of that kind.
        usual: its name, where several fit.
        wanted: its name by the user's choice; None: the usual one, or the only one that fits.
        by_user: whether the user may choose.

    Raises:
        UserError: none fits, the wanted one does not, or it is not clear which is meant.
    """
    found = [key for key, feature in features.items() if fits(feature)]
    if not found:
        raise UserError(f"tfds:{name} has no {kind}, only {', '.join(sorted(features))}")
    if wanted is not None and wanted not in found:
        raise UserError(
            f"tfds:{name} has no {kind} called {wanted!r}: {did_you_mean(wanted, found)}"
        )
    if wanted is None and usual not in found and len(found) > 1:
        raise UserError(
            f"tfds:{name} has more than one {kind}: {', '.join(sorted(found))}"
            + (f"; choose one by --config.data=tfds:{name}:FEATURE" if by_user else "")
        )
    return wanted or (usual if usual in found else found[0])


@contextlib.contextmanager
def told_simply(name: str, offline: str) -> Iterator[None]:
    """TFDS fails in as many ways as the network and its many builders do: each becomes a line."""
    try:
        yield
    except UserError:
        raise
    except ImportError as error:
        raise UserError(
            f"tfds:{name} is not prepared on this machine as array_record, and to prepare it TFDS "
            f"needs TensorFlow ({_first_line(error)}): pip install 'rnnjax[tfds]'. {offline}"
        ) from error
    except Exception as error:
        raise UserError(
            f"tfds:{name} cannot be had: {type(error).__name__}: {_first_line(error)}. {offline}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no reason given").splitlines()[0]
