"""Examples and batches of the problems: training draws new ones, the held-out splits are fixed."""

from collections.abc import Sequence

import numpy as np

from rnnjax.data.buckets import bucket_lengths
from rnnjax.data.padded_batches import EvaluationBatches, Example, Examples, Ragged, TrainingBatches
from rnnjax.data.prepared import Prepared
from rnnjax.tasks.long_range.config import LongRangeConfig
from rnnjax.tasks.long_range.problems import Problem

SIZES = {"train": 6400, "validation": 500, "test": 1000}
AT_A_DISTANCE = 200
"""Examples of each distance, in the table of scores by distance."""
NUM_BUCKETS = 4
BESIDE_TRAINING = 1
"""A seed of four numbers that ends with it differs from the seeds of training, which are three."""


def prepare(config: LongRangeConfig) -> Prepared:
    """Makes the batches of a config.

    A batch holds `inputs` `[T, B]` (symbols) or `[T, B, 2]`, `targets` and `lengths` int32 `[B]`,
    0 in a filler row; see the `draw` functions of the problems.
    """
    train = split_examples(config, "train")
    described = ", ".join(f"{name} {size:,}" for name, size in SIZES.items() if name != "train")
    return Prepared(
        TrainingBatches(train, batch_size=config.batch_size, seed=config.seed),
        EvaluationBatches(
            split_examples(config, "validation"), batch_size=min(config.batch_size, 100)
        ),
        f"{config.problem}, T = {config.length}: {described}; training draws new ones all the time",
        {"test": split_examples(config, "test")},
    )


def split_examples(config: LongRangeConfig, split: str) -> Examples:
    """The examples of a split: train, validation or test."""
    trained = config.task.trained_distances(config.length)
    return _examples(config.task, np.resize(trained, SIZES[split]), list(SIZES).index(split))


def examples_at(config: LongRangeConfig, distance: int) -> Examples:
    """Test examples that all have the same distance."""
    return _examples(config.task, np.full(AT_A_DISTANCE, distance), len(SIZES) + distance)


def test_distances(config: LongRangeConfig) -> list[int]:
    """T, shorter ones, and twice as much, which is more than the network was trained on."""
    quarters = (config.length * n // 4 for n in (1, 2, 4, 8))
    return sorted({max(config.task.least_length, distance) for distance in quarters})


def all_of(examples: Examples) -> list[Example]:
    """Every example of a split."""
    return [examples.get(n) for n in range(examples.size)]


def _examples(problem: Problem, distances: np.ndarray, stream: int) -> Examples:
    lengths = np.array([problem.steps(distance) for distance in distances.tolist()])

    def get(index: int) -> Example:
        return problem.draw(int(distances[index]), _rng(index, stream))

    return Examples(
        get,
        len(distances),
        _ragged(get(0), lengths),
        draw=lambda index, rng: problem.draw(int(distances[index]), rng),
    )


def _ragged(example: Example, lengths: Sequence[int] | np.ndarray) -> dict[str, Ragged]:
    fields = [name for name in ("inputs", "targets") if np.ndim(example[name])]
    return {"lengths": Ragged(fields, np.asarray(lengths), bucket_lengths(lengths, NUM_BUCKETS))}


def _rng(index: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([index, stream, 0, BESIDE_TRAINING])
