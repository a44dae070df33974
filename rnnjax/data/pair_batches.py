"""Pairs of sequences in padded batches, for a model that turns one into the other."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np

from rnnjax.data.buckets import bucket_lengths
from rnnjax.data.padded_batches import Examples, Ragged
from rnnjax.data.word_vocabulary import END, UNKNOWN_WORD

SOURCE_LENGTHS = "source_lengths"
"""The name of the lengths of sources in a batch; those of targets are `lengths`."""

Fields = Mapping[str, np.ndarray]


class Lengths(NamedTuple):
    """In symbols, the end included.

    Attributes:
        source, target: lengths that each side is padded to, the last that of the longest of the
            training split.
    """

    source: tuple[int, ...]
    target: tuple[int, ...]

    @classmethod
    def of(
        cls, sources: Sequence[int], targets: Sequence[int], num_buckets: int, batch_size: int
    ) -> Self:
        """The lengths for sequences of these lengths; see `bucket_lengths`."""
        return cls(*(bucket_lengths(its, num_buckets, batch_size=batch_size)
                     for its in (sources, targets)))  # fmt: skip

    def describe(self) -> str:
        """The lengths of both sides, for people."""
        return " and ".join(", ".join(map(str, one)) for one in self)

    def longest_target(self, source: int) -> int:
        """Symbols after which what is written for a source of this padded length is cut off."""
        return -(-self.target[-1] * max(source, self.source[-1]) // self.source[-1])


def pair_examples(
    sources: Sequence[Fields],
    targets: Sequence[np.ndarray],
    lengths: Lengths | None = None,
    *,
    name_of: Callable[[int], str],
) -> Examples:
    """Pairs in numbers: `target` int `[T]`, and the fields of sources, ragged.

    Args:
        sources: as for `source_examples`.
        lengths: to pad to; None: the longest.
        name_of: what messages call the pair at an index.
    """
    examples = source_examples(sources, lengths and lengths.source)
    sizes = np.array([len(ids) for ids in targets])
    sides = {"lengths": Ragged(("target",), sizes, lengths and lengths.target), **examples.ragged}
    # The side whose lengths differ more decides which texts share a batch.
    order = sorted(sides, key=lambda name: -float(sides[name].lengths.std()))
    return examples._replace(
        get=lambda n: {"target": targets[n], **sources[n]},
        ragged={name: sides[name] for name in order},
        name_of=name_of,
    )


def describe_unknown(splits: Mapping[str, Examples]) -> str:
    """The shares of the symbols that are unknown, ends not counted, in a phrase."""
    told = []
    for split, examples in splits.items():
        read = [examples.get(n) for n in range(examples.size)]
        sides = (np.concatenate([one[side] for one in read]) for side in ("source", "target"))
        source, target = (float(np.mean(ids[ids != END] == UNKNOWN_WORD)) for ids in sides)
        told.append(f"{source:.1%} and {target:.1%} of {split}")
    return f"unknown: {', '.join(told)}"


def source_examples(sources: Sequence[Fields], buckets: Sequence[int] | None = None) -> Examples:
    """Sources in numbers: `source` int `[S]` and other fields `[S]`, ragged.

    Args:
        buckets: lengths to pad to; None: the longest.
    """
    sizes = np.array([len(one["source"]) for one in sources])
    return Examples(
        sources.__getitem__,
        len(sources),
        {SOURCE_LENGTHS: Ragged(tuple(sources[0]), sizes, buckets)},
        noun="text",
    )
