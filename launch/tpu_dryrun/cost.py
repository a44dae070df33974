"""Arithmetic, memory traffic and collectives of a compiled program, loops counted as they run.

XLA's own cost analysis counts the body of a loop once; a recurrent network is mostly loops.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from launch.tpu_dryrun.hlo import ENTRY, Array, Computation, Instruction, Module
from rnnjax.training.profiling.programs import COLLECTIVES

NO_TRAFFIC = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional",
    "call", "after-all", "partition-id", "replica-id", "opt-barrier", "async-start", "async-update",
}  # fmt: skip
"""And those that end in -done."""


class Collective(NamedTuple):
    """One kind of exchange between chips.

    Attributes:
        kind: such as all-reduce.
        num_bytes: of the array as the operation is defined: all of it, on one chip (for
            all-gather the result, otherwise the operand).
        group_size: chips that exchange.
    """

    kind: str
    num_bytes: int
    group_size: int

    @property
    def sent(self) -> float:
        """Bytes that each chip must send at least."""
        share = (self.group_size - 1) / self.group_size
        factor = {"all-reduce": 2 * share, "collective-permute": 1.0, "collective-broadcast": 1.0}
        return factor.get(self.kind, share) * self.num_bytes


class Cost(NamedTuple):
    """The work of one chip in a run of the program.

    Attributes:
        flops: of matrix multiplications and convolutions.
        num_bytes: read from and written to the chip's main memory.
        collectives: how often each is done.
        unknown_loops: loops that do not count up to a constant; what they do is counted once.
    """

    flops: float
    num_bytes: float
    collectives: Counter[Collective]
    unknown_loops: int


def cost(module: Module, num_chips: int, name: str = ENTRY, times: int = 1) -> Cost:
    """The cost of a program on each chip, or of one of its computations, run so many times."""
    computation = module[name]
    work = num_bytes = 0.0
    collectives: Counter[Collective] = Counter()
    unknown = 0
    for one in computation.values():
        work += times * flops(one, computation, module)
        num_bytes += times * _traffic(one, computation, module)
        if (kind := one.opcode.removesuffix("-start")) in COLLECTIVES:
            collectives[_collective(kind, one, computation, num_chips)] += times
        for called, runs in _called(one, computation, module):
            inner = cost(module, num_chips, called, times * (1 if runs is None else runs))
            unknown += inner.unknown_loops + (runs is None)
            work, num_bytes = work + inner.flops, num_bytes + inner.num_bytes
            collectives += inner.collectives
    return Cost(work, num_bytes, collectives, unknown)


def _called(
    one: Instruction, computation: Computation, module: Module
) -> Sequence[tuple[str, int | None]]:
    """Computations that an instruction runs, but for fusions, and how often."""
    if one.opcode == "while" and (body := one.called("body")):
        return [(body, _trips(one, computation, module))]
    if one.opcode in ("call", "async-start", "conditional"):  # of its branches, the first
        return [(name, 1) for name in re.findall(r"%([\w.\-]+)", one.text)[:1]]
    return []


def _trips(loop: Instruction, computation: Computation, module: Module) -> int | None:
    """How often a loop runs that counts in ones up to a constant; None for any other."""
    condition = module[loop.called("condition") or ""]
    compare = next(one for one in condition.values() if one.is_root)
    if known := re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.text):
        return int(known[1])
    if "direction=LT" not in compare.text:
        return None
    counter, end = (condition[name] for name in compare.operands)
    index = re.search(r"index=(\d+)", counter.text)
    begin = computation[loop.operands[0]]
    if index is None or end.opcode != "constant" or begin.opcode != "tuple":
        return None
    start = _behind_bitcasts(computation[begin.operands[int(index[1])]], computation)
    return int(end.argument) - int(start.argument) if start.opcode == "constant" else None


def flops(one: Instruction, computation: Computation, module: Module) -> float:
    """Multiplications and additions of a matrix multiplication or convolution; 0 of all else.

    A custom kernel counts with the number that it states, a fusion with all that is in it.
    """
    operands = _types(one, computation)
    if one.opcode == "fusion" and (called := one.called("calls")):
        inside = module[called]
        return sum(flops(other, inside, module) for other in inside.values())
    if one.opcode == "dot":
        found = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", one.text)
        axes = [int(n) for n in found[1].split(",") if n] if found else []
        return 2.0 * one.arrays[0].size * math.prod(operands[0].shape[axis] for axis in axes)
    if one.opcode == "convolution":
        return _convolution(one, operands)
    if one.opcode == "custom-call":
        stated = re.search(r'"flops":"?(\d+)', one.text)
        return float(stated[1]) if stated else 0.0
    return 0.0


def _convolution(one: Instruction, operands: Sequence[Array]) -> float:
    """2 for each product of an output's element with a kernel's that is inside the input."""
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", one.text)
    if labels is None:
        return 0.0
    of_input, of_kernel, of_output = labels.groups()
    data, kernel, result = operands[0].shape, operands[1].shape, one.arrays[0].shape
    window = re.search(r"window=\{([^}]*)\}", one.text)
    fields = dict(field.split("=") for field in window[1].split()) if window else {}

    def setting(name: str, axis: str, default: int) -> int:
        return int(fields[name].split("x")[int(axis)].split("_")[0]) if name in fields else default

    pairs = math.prod(
        valid_pairs(
            data[of_input.index(axis)],
            kernel[of_kernel.index(axis)],
            result[of_output.index(axis)],
            stride=setting("stride", axis, 1),
            pad=setting("pad", axis, 0),
            data_dilation=setting("lhs_dilate", axis, 1),
            kernel_dilation=setting("rhs_dilate", axis, 1),
        )
        for axis in filter(str.isdigit, of_output)
    )
    groups = re.search(r"batch_group_count=(\d+)", one.text)
    batch = data[of_input.index("b")] // (int(groups[1]) if groups else 1)
    return 2.0 * batch * result[of_output.index("f")] * kernel[of_kernel.index("i")] * pairs


def valid_pairs(
    data: int, kernel: int, result: int,
    *, stride: int, pad: int, data_dilation: int, kernel_dilation: int,
) -> int:  # fmt: skip
    """Places of a kernel's elements over all outputs, along one axis, that meet the input."""
    end = (data - 1) * data_dilation + 1
    places = (
        k * kernel_dilation - pad + stride * n
        for k, n in itertools.product(range(kernel), range(result))
    )
    return sum(0 <= at < end and at % data_dilation == 0 for at in places)


def _traffic(one: Instruction, computation: Computation, module: Module) -> float:
    if one.opcode in NO_TRAFFIC or one.opcode.endswith("-done"):
        return 0.0
    if one.opcode == "fusion" and (called := one.called("calls")):
        return _fusion_traffic(one, module[called], computation)
    if one.opcode == "dynamic-slice":
        return 2.0 * _in_hbm(one.arrays)
    operands = _types(one, computation)
    if one.opcode == "dynamic-update-slice":
        return 2.0 * _in_hbm(operands[1:2])
    written = one.arrays[:1] if one.opcode.endswith("-start") else one.arrays
    return float(_in_hbm(operands) + _in_hbm(written))


def _fusion_traffic(one: Instruction, inside: Computation, computation: Computation) -> float:
    """Operands and results; of what is sliced inside, only the slices."""
    total = 0.0
    parameters = {int(p.argument): p.name for p in inside.values() if p.opcode == "parameter"}
    for index, operand in enumerate(one.operands):
        total += _read_inside(parameters[index], inside, _in_hbm(computation[operand].arrays))
    root = next(other for other in inside.values() if other.is_root)
    roots = [inside[name] for name in root.operands] if root.opcode == "tuple" else [root]
    for written, made in zip(one.arrays, roots, strict=False):
        made = _behind_bitcasts(made, inside)
        if written.in_hbm and made.opcode == "dynamic-update-slice":
            total += sum(a.num_bytes for a in inside[made.operands[1]].arrays)
        elif written.in_hbm:
            total += written.num_bytes
    return total


def _read_inside(parameter: str, inside: Computation, size: int) -> float:
    """How many of its operand's `size` bytes a fusion reads."""
    names, total = {parameter}, 0.0
    for other in inside.values():
        if not names & set(other.operands):
            continue
        if other.opcode == "bitcast":
            names.add(other.name)
        elif other.opcode == "dynamic-slice" and other.operands[0] in names:
            total += sum(a.num_bytes for a in other.arrays)
        elif other.opcode == "dynamic-update-slice" and other.operands[0] in names:
            continue  # written in place
        else:
            return float(size)
    return min(total, float(size))


def _collective(
    kind: str, one: Instruction, computation: Computation, num_chips: int
) -> Collective:
    group = num_chips
    if listed := re.search(r"replica_groups=\{\{([\d,]+)\}", one.text):
        group = listed[1].count(",") + 1
    elif iota := re.search(r"replica_groups=\[(\d+),(\d+)\]<=", one.text):
        group = int(iota[2])
    size = sum(a.num_bytes for a in _types(one, computation))
    return Collective(kind, size * group if kind == "all-gather" else size, group)


def _types(one: Instruction, computation: Computation) -> list[Array]:
    return [a for name in one.operands for a in computation[name].arrays]


def _in_hbm(types: Sequence[Array]) -> int:
    return sum(a.num_bytes for a in types if a.in_hbm)


def _behind_bitcasts(one: Instruction, inside: Computation) -> Instruction:
    while one.opcode in ("bitcast", "convert", "copy"):
        one = inside[one.operands[0]]
    return one
