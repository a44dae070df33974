"""TensorFlow Datasets, read without TensorFlow once they are prepared."""

import contextlib
import difflib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from rnnjax.data.documents import Document
from rnnjax.data.examples import Example
from rnnjax.data.named_splits import SPLIT_OF_WORD
from rnnjax.errors import UserError, did_you_mean

OFFLINE = "Without a network use --config.data=embedded or the path of your own files."

T = TypeVar("T")


def documents(spec: str) -> dict[str, Iterator[Document]]:
    """The splits of a data set of texts, a document an example.

    Args:
        spec: see `TfdsDataset`; the feature is a text.

    Returns:
        {split name: documents}; a split called valid, val or dev is "validation", any other has
        its own name.

    Raises:
        UserError: no such data set or feature, no network, no TensorFlow.
    """
    dataset = TfdsDataset(spec)
    from tensorflow_datasets.core.features import Text

    feature = dataset.choose("text feature", lambda found: isinstance(found, Text), usual="text")

    def texts(split: str, source: Sequence[Any]) -> Iterator[Document]:
        for place, example in dataset.examples(split, source):
            yield Document(place, [example[feature]])

    return {
        SPLIT_OF_WORD.get(split, split): texts(split, source)
        for split, source in dataset.sources().items()
    }


def pairs(spec: str, source: str = "", target: str = "") -> dict[str, list[Example]]:
    """The splits of a data set of pairs of texts, such as a text and its translation.

    Args:
        spec: `NAME`, `NAME/CONFIG` or `NAME:VERSION`.
        source, target: features that are texts; empty: those that the data set says are input and
            target.

    Returns:
        {split: examples with the fields `source` and `target`}, of train, validation and test those
        that there are.

    Raises:
        UserError: no such data set or feature, no network, no TensorFlow.
    """
    dataset = TfdsDataset(spec)
    from tensorflow_datasets.core.features import Text

    names = (source, target) if source else (dataset.supervised or ("", ""))
    known = [name for name, feature in dataset.features.items() if isinstance(feature, Text)]
    for name in names:
        if name not in known:
            raise UserError(
                f"tfds:{spec} has no text {name!r}: its texts are {', '.join(sorted(known))}; "
                "--config.source and --config.target name two of them"
            )
    one, other = names

    def pair(example: Any, place: str) -> Example:
        return Example(dict(source=_text(example[one]), target=_text(example[other])), place)

    return dataset.read(pair)


def labelled(spec: str, text: str, label: str) -> dict[str, list[Example]]:
    """The splits of a data set of texts with a label, such as reviews.

    Args:
        spec: see `TfdsDataset`; the feature is the text.
        text: the feature that is the text, where several could be meant.
        label: the feature that is the label, where several could be meant: a class or a number.

    Returns:
        {split: examples with the fields `text` and `label`}, of train, validation and test those
        that have labels; a class by its name. Examples of the class -1, unknown, are left out.

    Raises:
        UserError: no such data set or feature, no network, no TensorFlow.
    """
    dataset = TfdsDataset(spec)
    from tensorflow_datasets.core.features import ClassLabel, Scalar, Text

    text = dataset.choose("text feature", lambda found: isinstance(found, Text), usual=text)
    label = dataset.choose(
        "label", lambda found: isinstance(found, ClassLabel | Scalar), usual=label, by_user=False
    )
    kind = dataset.features[label]
    name_of = kind.int2str if isinstance(kind, ClassLabel) else str

    def labelled_text(example: Any, place: str) -> Example | None:
        if isinstance(kind, ClassLabel) and example[label] < 0:
            return None
        return Example(dict(label=name_of(example[label]), text=_text(example[text])), place)

    return dataset.read(labelled_text)


def images(spec: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The splits of a data set of grey images, such as `mnist`.

    Args:
        spec: see `TfdsDataset`; the feature is of images.

    Returns:
        {split: (images uint8 [N, h, w], classes int64 [N])}, of train, validation and test those
        that there are, train for certain. Images of 0 and 1 become 0 and 255. Without a feature of
        classes they are all -1.

    Raises:
        UserError: no such data set or feature, no network, no TensorFlow; the images have colours
            or several sizes.
    """
    dataset = TfdsDataset(spec)
    from tensorflow_datasets.core.features import ClassLabel, Image

    name = dataset.choose("feature of images", lambda one: isinstance(one, Image), usual="image")
    classes = [key for key, one in dataset.features.items() if isinstance(one, ClassLabel)]

    def image(example: Any, _: str) -> tuple[np.ndarray, int]:
        return example[name], example[classes[0]] if classes else -1

    found = {}
    for split, examples in dataset.read(image).items():
        one_by_one, labels = zip(*examples, strict=True)
        if len(shapes := {pixels.shape for pixels in one_by_one}) > 1:
            raise UserError(
                f"tfds:{spec}, {split}: expected images of one size, got {sorted(shapes)}"
            )
        pixels = np.array(one_by_one)
        if pixels.ndim != 4 or pixels.shape[-1] != 1 or pixels.dtype != np.uint8:
            raise UserError(
                f"tfds:{spec}, {split}: expected grey images uint8 [h, w, 1], got {pixels.dtype} "
                f"{list(pixels.shape[1:])}"
            )
        grey = pixels[..., 0] * np.uint8(255 if pixels.max() == 1 else 1)
        found[split] = grey, np.array(labels)
    if "train" not in found:
        raise UserError(f"tfds:{spec} has no split train: {', '.join(found) or 'no split'}")
    return found


def _text(value: bytes) -> str:
    return bytes(value).decode("utf-8", "replace")


class TfdsDataset:
    """A data set of TFDS, downloaded and prepared if it is not there.

    What is prepared as array_record in TFDS's folder is read as it is, by its files. Anything else
    is downloaded and prepared first, for which TFDS needs TensorFlow. The folder is
    ~/tensorflow_datasets, or what the environment variable TFDS_DATA_DIR names.

    Attributes:
        name: of the data set, without the feature.
        supervised: the names of its input and its target; None: it does not say.
    """

    def __init__(self, spec: str):
        """Opens the data set.

        Args:
            spec: `NAME`, `NAME/CONFIG` or `NAME:VERSION`, with or without `:FEATURE`, the feature
                to read where several could be meant.

        Raises:
            UserError: no such data set, no network, no TensorFlow.
        """
        name, colon, last = spec.rpartition(":")
        is_version = last[:1].isdigit() or last.startswith("*")
        self.name, self._wanted = spec, ""
        if colon and not is_version:
            self.name, self._wanted = name, last
        with one_line_errors(self.name):
            self._builder = _prepared(self.name)
        self.features = self._builder.info.features
        self.supervised = self._builder.info.supervised_keys

    def choose(
        self, kind: str, fits: Callable[[Any], bool], *, usual: str, by_user: bool = True
    ) -> str:
        """The name of the feature to read.

        Args:
            kind: of feature that it is, for messages.
            fits: whether a feature is of that kind.
            usual: its name, where several fit.
            by_user: take the feature that the user named, if one is.

        Raises:
            UserError: none fits, the named one does not, or it is not clear which is meant.
        """
        wanted = self._wanted if by_user else ""
        found = [key for key, feature in self.features.items() if fits(feature)]
        place = f"tfds:{self.name}"
        if not found:
            raise UserError(f"{place} has no {kind}, only {', '.join(sorted(self.features))}")
        if wanted and wanted not in found:
            raise UserError(
                f"{place} has no {kind} called {wanted!r}: {did_you_mean(wanted, found)}"
            )
        if not wanted and usual not in found and len(found) > 1:
            raise UserError(
                f"{place} has more than one {kind}: {', '.join(sorted(found))}"
                + f"; choose one by --config.data={place}:FEATURE" * by_user
            )
        return wanted or (usual if usual in found else found[0])

    def sources(self, decoders: Any = None) -> dict[str, Sequence[Any]]:
        """The examples of each split; see `DatasetBuilder.as_data_source` of TFDS."""
        with one_line_errors(self.name):
            return dict(self._builder.as_data_source(decoders=decoders))

    def examples(self, split: str, source: Sequence[Any]) -> Iterator[tuple[str, Any]]:
        """Yields the place of each example, `tfds:NAME SPLIT NUMBER`, and the example."""
        with one_line_errors(self.name):
            for n in range(len(source)):
                yield f"tfds:{self.name} {split} {n}", source[n]

    def read(self, make: Callable[[Any, str], T | None]) -> dict[str, list[T]]:
        """What `make(example, place)` makes of each example; None leaves one out.

        Returns:
            By split: of train, validation and test those that have examples.
        """
        found = {}
        for split, source in self.sources().items():
            made = (make(one, place) for place, one in self.examples(split, source))
            if split in SPLIT_OF_WORD and (kept := [one for one in made if one is not None]):
                found[SPLIT_OF_WORD[split]] = kept
        return found


def _prepared(name: str) -> Any:
    """The builder; of prepared files without the data set's own code, which may need TensorFlow."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.read_only_builder import builder_from_files

    with contextlib.suppress(tfds.core.DatasetNotFoundError):
        return builder_from_files(name)
    try:
        with _temporary_files_removed():
            builder = tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean tfds:{near[0]}? " if near else ""
        raise UserError(f"TFDS has no data set {name!r}. {hint}{OFFLINE}") from error
    if not builder.is_prepared():
        builder.download_and_prepare(file_format="array_record")
    return builder


@contextlib.contextmanager
def _temporary_files_removed() -> Iterator[None]:
    """A builder makes a temporary folder for files of the network and never removes it."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


@contextlib.contextmanager
def one_line_errors(name: str) -> Iterator[None]:
    """Turns every exception of TFDS, the network and a data set's code into a UserError."""
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
