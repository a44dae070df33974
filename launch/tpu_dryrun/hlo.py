"""Reads optimised HLO, as XLA prints it."""

import math
import re
from typing import NamedTuple

BITS = {
    "pred": 8, "s2": 2, "u2": 2, "s4": 4, "u4": 4, "s8": 8, "u8": 8, "s16": 16, "u16": 16,
    "s32": 32, "u32": 32, "s64": 64, "u64": 64, "bf16": 16, "f16": 16, "f32": 32, "f64": 64,
    "c64": 64, "c128": 128, "f8e4m3fn": 8, "f8e5m2": 8,
}  # fmt: skip
_ARRAY = re.compile(r"([a-z][a-z0-9]*)\[([\d,<= ]*)\](\{[^}]*\})?")
_NAME = re.compile(r"%([\w.\-]+)")
_HEAD = re.compile(r"^(ENTRY )?%([\w.\-]+) .*\{$")
_INSTRUCTION = re.compile(r"^\s*(ROOT )?%([\w.\-]+) = ")


class Array(NamedTuple):
    """An array's type.

    Attributes:
        dtype: such as bf16.
        shape: its dimensions.
        in_hbm: whether it is in the chip's main memory; otherwise in a fast one (layout `S(1)`).
    """

    dtype: str
    shape: tuple[int, ...]
    in_hbm: bool

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """Bytes, without the padding of tiles; 0 for tokens and other opaque types."""
        return -(-self.size * BITS.get(self.dtype, 0) // 8)


class Instruction(NamedTuple):
    """One operation.

    Attributes:
        name: of its result.
        opcode: such as fusion.
        arrays: the types of its result; several for a tuple.
        operands: names of the results it takes.
        text: all that follows the operands.
        is_root: whether its computation returns it.
        argument: the text between the parentheses.
    """

    name: str
    opcode: str
    arrays: tuple[Array, ...]
    operands: tuple[str, ...]
    text: str
    is_root: bool
    argument: str

    def called(self, attribute: str) -> str | None:
        """The computation that an attribute such as `calls` or `body` names."""
        found = re.search(rf"\b{attribute}=%([\w.\-]+)", self.text)
        return found and found[1]

    @property
    def trip_count(self) -> int | None:
        """How often a `while` runs its body, if the compiler knows."""
        found = re.search(r'"known_trip_count":\{"n":"(\d+)"', self.text)
        return int(found[1]) if found else None


Computation = dict[str, Instruction]


class Module(NamedTuple):
    """A program.

    Attributes:
        computations: by name; each its instructions by name, in their order.
        entry: the name of the one where it begins.
    """

    computations: dict[str, Computation]
    entry: str


def parse(text: str) -> Module:
    """Reads what `compiled.as_text()` gives."""
    computations: dict[str, Computation] = {}
    entry = ""
    current: Computation = {}
    for line in text.splitlines():
        if head := _HEAD.match(line):
            current = computations.setdefault(head[2], {})
            entry = head[2] if head[1] else entry
        elif found := _INSTRUCTION.match(line):
            current[found[2]] = _instruction(found[2], line[found.end() :], bool(found[1]))
    return Module(computations, entry)


def _instruction(name: str, rest: str, is_root: bool) -> Instruction:
    end = _closing(rest, 0) + 1 if rest.startswith("(") else rest.index(" ")
    kind, rest = rest[:end], rest[end:].lstrip()
    opening = rest.index("(")
    closing = _closing(rest, opening)
    argument, text = rest[opening + 1 : closing], rest[closing + 1 :]
    arrays = tuple(
        Array(dtype, tuple(int(n.strip("<= ")) for n in dims.split(",") if n),
              in_hbm=not re.search(r"S\([1-9]", layout))
        for dtype, dims, layout in _ARRAY.findall(kind)
    )  # fmt: skip
    operands = tuple(_NAME.findall(argument))
    return Instruction(name, rest[:opening], arrays, operands, text, is_root, argument)


def _closing(text: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at
    raise ValueError(f"unbalanced parentheses: {text[opening : opening + 80]}")
