"""TPU chips and their slices, as Google's documentation states them.

https://docs.cloud.google.com/tpu/docs/v5e, .../v5p and .../v6e. The bandwidth between chips is
stated there as the sum of both directions over all links of a chip; it can send half of that.
"""

import math
from typing import NamedTuple

from rnnjax.errors import UserError, did_you_mean

GIB = 2**30
SLICES_2D = ("1x1", "2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
SLICES_3D = (
    "2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8", "4x8x8", "8x8x8", "8x8x16", "8x16x16",
)  # fmt: skip


class Chip(NamedTuple):
    """A kind of TPU.

    Attributes:
        name: as in the name of a topology.
        hbm: bytes of main memory.
        flops: multiplications and additions a second, bfloat16.
        hbm_bandwidth: bytes a second.
        ici_bandwidth: bytes a second between chips, both directions together.
        slices: the shapes that are offered.
        compiler_name: what libtpu calls it.
    """

    name: str
    hbm: float
    flops: float
    hbm_bandwidth: float
    ici_bandwidth: float
    slices: tuple[str, ...]
    compiler_name: str


CHIPS = (
    Chip("v5e", 16 * GIB, 197e12, 819e9, 400e9, SLICES_2D, "v5e"),
    Chip("v5p", 95 * GIB, 459e12, 2765e9, 1200e9, SLICES_3D, "v5"),
    Chip("v6e", 32 * GIB, 918e12, 1638e9, 800e9, SLICES_2D, "v6e"),
)


class Slice(NamedTuple):
    """Connected chips of one kind; the shape is their number along each dimension, such as 4x4."""

    chip: Chip
    shape: str

    @property
    def num_chips(self) -> int:
        """How many."""
        return math.prod(self.bounds)

    @property
    def bounds(self) -> tuple[int, ...]:
        """Chips along each dimension."""
        return tuple(map(int, self.shape.split("x")))

    @property
    def name(self) -> str:
        """Such as v5e:4x4."""
        return f"{self.chip.name}:{self.shape}"


def find_slice(name: str) -> Slice:
    """The slice of a name such as v5e:4x4, or v5e-16 for the usual one of that many chips.

    Raises:
        UserError: there is none of that name; the message lists all.
    """
    for chip in CHIPS:
        for shape in chip.slices:
            found = Slice(chip, shape)
            if name in (found.name, f"{chip.name}-{found.num_chips}"):
                return found
    valid = [f"{chip.name}:{shape}" for chip in CHIPS for shape in chip.slices]
    raise UserError(
        f"unknown --topology={name}, chips along each dimension or, as v5e-16 for v5e:4x4, in all; "
        f"{did_you_mean(name, valid)}"
    )
