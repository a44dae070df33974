"""The data of a run as its training reads them, and their shapes."""

import hashlib
import json
from collections.abc import Collection
from typing import Any, NamedTuple

from rnnjax.data.batch_iterator import Batch
from rnnjax.data.padded_batches import EvaluationBatches, TrainingBatches
from rnnjax.data.pair_batches import Lengths
from rnnjax.data.streams import EvaluationWindows, TrainingWindows, VaryingWindows
from rnnjax.data.vectors import Vectors


class Prepared(NamedTuple):
    """The data of a run.

    Attributes:
        validation: batches of the validation split, or where there is none, of the training split.
        description: the sizes and what was made of them, in some lines.
        splits: what was read, by split; empty: examples are drawn as they are needed.
        digest: the same for the same training and validation data only; empty: they are drawn.
        vocabulary: of the training split, unless one was given; None: the task has none.
        vectors: of its words, made elsewhere; None: there are none. Of pairs those of both sides.
        lengths: that sources and targets are padded to; of other data than pairs none.
        mean: of the training images, `[h, w]`, from 0 to 1; of other data None.
    """

    batches: TrainingBatches | TrainingWindows | VaryingWindows
    validation: EvaluationBatches | EvaluationWindows | list[Batch]
    description: str
    splits: dict[str, Any] = {}  # noqa: RUF012
    digest: str = ""
    vocabulary: Any = None
    vectors: Vectors | tuple[Vectors | None, ...] | None = None
    lengths: Lengths = Lengths((), ())
    mean: Any = None


class Shapes(NamedTuple):
    """The inputs of training as shapes.

    Attributes:
        batch: the largest one, `jax.ShapeDtypeStruct`s by name.
        units: how much of what the loss counts it holds.
        time_major: names of its arrays that are [T, B, ...]; the others are [B, ...].
        vocabulary, mean: see `Prepared`.
        vectors: None, as there are only shapes.
    """

    batch: dict[str, Any]
    units: int
    time_major: Collection[str]
    vocabulary: Any = None
    vectors: None = None
    mean: Any = None


def digest_of(content: Any) -> str:
    """The SHA-256 of what can be written as JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
