"""Reads optimised HLO, as XLA prints it."""

import math
import re
from typing import NamedTuple

_ARRAY = re.compile(r"([a-z][a-z0-9]*)\[([\d,<= ]*)\](\{[^}]*\})?")
_NAME = re.compile(r"%([\w.\-]+)")
_HEAD = re.compile(r"^(ENTRY )?%([\w.\-]+) .*\{$")
_INSTRUCTION = re.compile(
    r"\s*(?P<root>ROOT )?%(?P<name>[\w.\-]+) = (?P<type>.*?) (?P<opcode>[a-z][\w\-]*)"
    r"\((?P<argument>.*?)\)(?P<text>(, [\w\-]+=.*)?)"
)


class Array(NamedTuple):
    """An array's type.

    Attributes:
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
        bits = re.search(r"\d+", self.dtype.replace("pred", "u8"))
        return -(-self.size * int(bits[0]) // 8) if bits else 0


class Instruction(NamedTuple):
    """One operation.

    Attributes:
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


Computation = dict[str, Instruction]
"""Its instructions by name, in their order."""

Module = dict[str, Computation]
"""The computations of a program by name; the one where it begins is `ENTRY`."""

ENTRY = "ENTRY"


def parse(text: str) -> Module:
    """Reads what `compiled.as_text()` gives; ValueError for an instruction of another form."""
    module: Module = {}
    current: Computation = {}
    for line in text.splitlines():
        if head := _HEAD.match(line):
            current = module.setdefault(ENTRY if head[1] else head[2], {})
        elif found := _INSTRUCTION.fullmatch(line):
            arrays = tuple(
                Array(dtype, tuple(int(n.strip("<= ")) for n in dims.split(",") if n),
                      in_hbm=not re.search(r"S\([1-9]", layout))
                for dtype, dims, layout in _ARRAY.findall(found["type"])
            )  # fmt: skip
            operands = tuple(_NAME.findall(found["argument"]))
            current[found["name"]] = Instruction(
                found["name"], found["opcode"], arrays, operands,
                found["text"], bool(found["root"]), found["argument"],
            )  # fmt: skip
        elif line.startswith(("  %", "  ROOT ")):
            raise ValueError(f"not an instruction of HLO: {line[:80]}")
    return module
