"""Arithmetic, memory traffic and collectives of a compiled program, loops counted as they run.

XLA's own cost analysis counts the body of a loop once; a recurrent network is little else than
loops.
"""

import math
import re
from collections import Counter
from typing import NamedTuple

from launch.tpu_dryrun.hlo import Array, Computation, Instruction, Module

COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "ragged-all-to-all",
    "collective-permute",
    "collective-broadcast",
)
NO_TRAFFIC = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional",
    "call", "after-all", "partition-id", "replica-id", "opt-barrier", "async-done", "async-update",
    "copy-done", "send-done", "recv-done",
}  # fmt: skip


class Collective(NamedTuple):
    """One kind of exchange between chips.

    Attributes:
        kind: such as all-reduce.
        num_bytes: of the array as the operation is defined: the whole of it, on one chip (for
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
    """What one chip does in a run of the program.

    Attributes:
        flops: of matrix multiplications and convolutions.
        num_bytes: read from and written to the chip's main memory.
        collectives: how often each is done.
        unknown_loops: loops whose trip count the compiler did not state; counted once.
    """

    flops: float
    num_bytes: float
    collectives: Counter[Collective]
    unknown_loops: int


def cost(module: Module, num_chips: int) -> Cost:
    """The cost of a whole program.

    Args:
        module: see `hlo.parse`.
        num_chips: that run it.
    """
    return _Counting(module, num_chips).of(module.entry, 1)


class _Counting:
    def __init__(self, module: Module, num_chips: int):
        self._computations, self._num_chips = module.computations, num_chips

    def of(self, name: str, times: int) -> Cost:
        """The cost of `times` runs of a computation."""
        flops = num_bytes = 0.0
        collectives: Counter[Collective] = Counter()
        unknown = 0
        computation = self._computations[name]
        for one in computation.values():
            flops += times * self._flops(one, computation)
            num_bytes += times * self._traffic(one, computation)
            if (kind := one.opcode.removesuffix("-start")) in COLLECTIVES:
                collectives[self._collective(kind, one, computation)] += times
            for called, runs in self._inner(one):
                inner = self.of(called, times * (1 if runs is None else runs))
                unknown += inner.unknown_loops + (runs is None)
                flops, num_bytes = flops + inner.flops, num_bytes + inner.num_bytes
                collectives += inner.collectives
        return Cost(flops, num_bytes, collectives, unknown)

    def _inner(self, one: Instruction) -> list[tuple[str, int | None]]:
        """Computations that an instruction runs, but for fusions, and how often."""
        if one.opcode == "while":
            return [(called, one.trip_count) for called in [one.called("body")] if called]
        if one.opcode in ("call", "async-start"):
            called = one.called("to_apply") or one.called("calls")
            return [(called, 1)] if called else []
        if one.opcode == "conditional":
            branches = re.search(r"branch_computations=\{([^}]*)\}", one.text)
            names = branches[1] if branches else one.text
            return [(name, 1) for name in re.findall(r"%([\w.\-]+)", names)][:1]
        return []

    def _flops(self, one: Instruction, computation: Computation) -> float:
        if one.opcode == "dot":
            return _dot_flops(one, _types(one, computation))
        if one.opcode == "convolution":
            return _convolution_flops(one, _types(one, computation))
        if one.opcode == "custom-call":
            stated = re.search(r'"flops":"?(\d+)', one.text)
            return float(stated[1]) if stated else 0.0
        if one.opcode == "fusion" and (called := one.called("calls")):
            inside = self._computations[called]
            return sum(self._flops(other, inside) for other in inside.values())
        return 0.0

    def _traffic(self, one: Instruction, computation: Computation) -> float:
        if one.opcode in NO_TRAFFIC or one.opcode.endswith("-done"):
            return 0.0
        if one.opcode == "async-start":
            return 0.0
        if one.opcode == "fusion" and (called := one.called("calls")):
            return self._fusion_traffic(one, self._computations[called], computation)
        if one.opcode == "dynamic-slice":
            return 2.0 * _in_hbm(one.arrays)
        operands = _types(one, computation)
        if one.opcode == "dynamic-update-slice":
            return 2.0 * _in_hbm(operands[1:2])
        written = one.arrays[:1] if one.opcode.endswith("-start") else one.arrays
        return float(_in_hbm(operands) + _in_hbm(written))

    def _fusion_traffic(
        self, one: Instruction, inside: Computation, computation: Computation
    ) -> float:
        """Operands and results, but of what is sliced inside only the slices."""
        total = 0.0
        parameters = {int(p.argument): p.name for p in inside.values() if p.opcode == "parameter"}
        for index, operand in enumerate(one.operands):
            types = computation[operand].arrays if operand in computation else ()
            if _in_hbm(types):
                total += _read_inside(parameters.get(index), inside, _in_hbm(types))
        root = next(other for other in inside.values() if other.is_root)
        roots = [inside[name] for name in root.operands] if root.opcode == "tuple" else [root]
        for written, made in zip(one.arrays, roots, strict=False):
            if not written.in_hbm:
                continue
            made = _behind_bitcasts(made, inside)
            if made.opcode == "dynamic-update-slice":
                total += sum(a.num_bytes for a in inside[made.operands[1]].arrays)
            else:
                total += written.num_bytes
        return total

    def _collective(self, kind: str, one: Instruction, computation: Computation) -> Collective:
        operands = _types(one, computation)
        whole = sum(a.num_bytes for a in operands)
        group = self._group_size(one)
        if kind == "all-gather":
            whole *= group
        return Collective(kind, whole, group)

    def _group_size(self, one: Instruction) -> int:
        if listed := re.search(r"replica_groups=\{\{([\d,]+)\}", one.text):
            return listed[1].count(",") + 1
        if iota := re.search(r"replica_groups=\[(\d+),(\d+)\]<=", one.text):
            return int(iota[2])
        return self._num_chips


def _types(one: Instruction, computation: Computation) -> list[Array]:
    return [a for name in one.operands if name in computation for a in computation[name].arrays]


def _in_hbm(types: list[Array] | tuple[Array, ...]) -> int:
    return sum(a.num_bytes for a in types if a.in_hbm)


def _behind_bitcasts(one: Instruction, inside: Computation) -> Instruction:
    while one.opcode in ("bitcast", "convert", "copy") and one.operands[0] in inside:
        one = inside[one.operands[0]]
    return one


def _read_inside(parameter: str | None, inside: Computation, whole: int) -> float:
    """Bytes of a fusion's operand that it reads."""
    if parameter is None:
        return float(whole)
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
            return float(whole)
    return min(total, float(whole))


def _dot_flops(one: Instruction, operands: list[Array]) -> float:
    found = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", one.text)
    axes = [int(n) for n in found[1].split(",") if n] if found else []
    return 2.0 * one.arrays[0].size * math.prod(operands[0].shape[axis] for axis in axes)


def _convolution_flops(one: Instruction, operands: list[Array]) -> float:
    """2 for each product of an output's element with a kernel's that lies inside the input."""
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", one.text)
    if labels is None:
        return 0.0
    of_input, of_kernel, of_output = labels.groups()
    data, kernel, result = operands[0].shape, operands[1].shape, one.arrays[0].shape
    window = _window(one.text)
    pairs = 1
    for axis in (label for label in of_output if label.isdigit()):
        n = int(axis)
        get = lambda name, default, n=n: window[name][n] if name in window else default  # noqa: E731
        pairs *= _valid_pairs(
            data[of_input.index(axis)],
            kernel[of_kernel.index(axis)],
            result[of_output.index(axis)],
            stride=int(get("stride", 1)),
            pad=int(str(get("pad", "0_0")).split("_")[0]),
            data_dilation=int(get("lhs_dilate", 1)),
            kernel_dilation=int(get("rhs_dilate", 1)),
        )
    groups = re.search(r"batch_group_count=(\d+)", one.text)
    batch = data[of_input.index("b")] // (int(groups[1]) if groups else 1)
    return 2.0 * batch * result[of_output.index("f")] * kernel[of_kernel.index("i")] * pairs


def _window(text: str) -> dict[str, list[str]]:
    found = re.search(r"window=\{([^}]*)\}", text)
    fields = found[1].split() if found else []
    return {name: value.split("x") for name, _, value in (f.partition("=") for f in fields)}


def _valid_pairs(
    data: int,
    kernel: int,
    result: int,
    *,
    stride: int,
    pad: int,
    data_dilation: int,
    kernel_dilation: int,
) -> int:
    """Places of a kernel's elements over all outputs, along one axis, that meet the input."""
    end = (data - 1) * data_dilation + 1
    count = 0
    for k in range(kernel):
        first = k * kernel_dilation - pad
        places = range(first, first + stride * result, stride)
        count += sum(0 <= at < end and at % data_dilation == 0 for at in places)
    return count
