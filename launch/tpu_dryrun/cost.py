"""Arithmetic, memory traffic and collectives of a compiled program, loops counted as they run.

XLA's own cost analysis counts the body of a loop once; a recurrent network is little else than
loops.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from launch.tpu_dryrun.flops import flops
from launch.tpu_dryrun.hlo import Array, Computation, Instruction, Module
from rnnjax.training.profiling.programs import COLLECTIVES

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
        unknown_loops: loops that do not count up to a constant; what they do is counted once.
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
        work = num_bytes = 0.0
        collectives: Counter[Collective] = Counter()
        unknown = 0
        computation = self._computations[name]
        for one in computation.values():
            work += times * self._flops(one, computation)
            num_bytes += times * self._traffic(one, computation)
            if (kind := one.opcode.removesuffix("-start")) in COLLECTIVES:
                collectives[self._collective(kind, one, computation)] += times
            for called, runs in self._inner(one, computation):
                inner = self.of(called, times * (1 if runs is None else runs))
                unknown += inner.unknown_loops + (runs is None)
                work, num_bytes = work + inner.flops, num_bytes + inner.num_bytes
                collectives += inner.collectives
        return Cost(work, num_bytes, collectives, unknown)

    def _inner(
        self, one: Instruction, computation: Computation
    ) -> Sequence[tuple[str, int | None]]:
        """Computations that an instruction runs, but for fusions, and how often."""
        if one.opcode == "while" and (body := one.called("body")):
            return [(body, self._trips(one, computation))]
        if one.opcode in ("call", "async-start"):
            called = one.called("to_apply") or one.called("calls")
            return [(called, 1)] if called else []
        if one.opcode == "conditional":
            branches = re.search(r"branch_computations=\{([^}]*)\}", one.text)
            names = branches[1] if branches else one.text
            return [(name, 1) for name in re.findall(r"%([\w.\-]+)", names)][:1]
        return []

    def _trips(self, loop: Instruction, computation: Computation) -> int | None:
        """How often a loop runs that counts in ones up to a constant; None for any other."""
        condition = self._computations[loop.called("condition") or ""]
        compare = next(one for one in condition.values() if one.is_root)
        if loop.trip_count is not None or "direction=LT" not in compare.text:
            return loop.trip_count
        counter, end = (condition[name] for name in compare.operands)
        index = re.search(r"index=(\d+)", counter.text)
        begin = computation[loop.operands[0]]
        if index is None or end.opcode != "constant" or begin.opcode != "tuple":
            return None
        start = _behind_bitcasts(computation[begin.operands[int(index[1])]], computation)
        return int(end.argument) - int(start.argument) if start.opcode == "constant" else None

    def _flops(self, one: Instruction, computation: Computation) -> float:
        if one.opcode == "fusion" and (called := one.called("calls")):
            inside = self._computations[called]
            return sum(self._flops(other, inside) for other in inside.values())
        return flops(one, _types(one, computation))

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
