"""The compiled programs that a trace carries: what each operation is, and where it comes from.

A trace (`*.xplane.pb`) holds an `HloProto` of every program that ran, in the metadata of a plane of
their own, which `jax.profiler.ProfileData` does not show. Of these protocol buffers a handful of
fields is needed; their numbers are those of `tsl/profiler/protobuf/xplane.proto` and
`xla/service/hlo.proto`, and never change.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

SCOPES = ("embed", "project", "scan", "head", "loss", "optimizer")
"""The parts of a training step; each is a `jax.named_scope` where it is computed."""

EXCHANGE = "exchange"
"""Stands where a scope would: what devices send each other, and their waiting for it."""

COLLECTIVES = {
    "all-reduce", "all-gather", "reduce-scatter", "all-to-all", "ragged-all-to-all",
    "collective-permute", "collective-broadcast",
}  # fmt: skip
PLANE = "/host:metadata"


class Instruction(NamedTuple):
    """One operation of a program.

    Attributes:
        kind: opcode, such as fusion.
        scope: one of `SCOPES`, or `EXCHANGE`; empty: of none.
        source: the JAX operation that it, or the last part of it, comes from; may be empty.
        backward: whether it belongs to the backward pass.
    """

    kind: str
    scope: str
    source: str
    backward: bool


Program = dict[str, Instruction]


def read_programs(trace: bytes, name: str) -> dict[int, Program]:
    """The programs of that name in a trace, by id; each its instructions by name.

    There are several where a function was compiled for batches of several shapes, or where the
    process has another function of that name: a trace carries all programs of its process.

    Args:
        trace: the content of a file ``*.xplane.pb``.
        name: such as jit_train_step.
    """
    programs = {}
    for plane in _messages(memoryview(trace), 1):
        if _text(plane, 2) != PLANE:
            continue
        for entry in _messages(plane, 4):
            for metadata in _messages(entry, 2):
                program = re.fullmatch(r"(.*)\((\d+)\)", _text(metadata, 2))
                if not program or program[1] != name:
                    continue
                for stat in _messages(metadata, 5):
                    for proto in _messages(stat, 6):
                        for module in _messages(proto, 1):
                            programs[int(program[2])] = _program(module)
    return programs


class _Raw(NamedTuple):
    name: str
    kind: str
    op_name: str
    called: tuple[int, ...]


def scope_of(op_name: str) -> str:
    """The innermost of `SCOPES` in a name such as 'jit(f)/transpose(jvp(scan))/while/body/dot'."""
    parts = re.split(r"[/()]", op_name)
    return next((part for part in reversed(parts) if part in SCOPES), "")


def _program(module: memoryview) -> Program:
    """An instruction without a scope has that of most of what it runs, or else its caller's."""
    computations = {
        _number(one, 5): [_raw(instruction) for instruction in _messages(one, 2)]
        for one in _messages(module, 3)
    }
    callers = {
        called: raw for raws in computations.values() for raw in raws for called in raw.called
    }

    def scope(raw: _Raw, inside: int) -> str:
        if raw.kind.removesuffix("-start").removesuffix("-done") in COLLECTIVES:
            return EXCHANGE
        if own := scope_of(raw.op_name):
            return own
        within = Counter(
            scope_of(other.op_name) for called in raw.called for other in computations[called]
        )
        del within[""]
        if within:
            return within.most_common(1)[0][0]
        while caller := callers.get(inside):
            if found := scope_of(caller.op_name):
                return found
            inside = next(number for number, raws in computations.items() if caller in raws)
        return ""

    return {
        raw.name: Instruction(
            raw.kind,
            scope(raw, number),
            _source(raw.op_name),
            "transpose(" in raw.op_name,
        )
        for number, raws in computations.items()
        for raw in raws
    }


def _source(op_name: str) -> str:
    last = op_name.rpartition("/")[2]
    return last if "(" in last else last.rstrip(")")


def _raw(instruction: memoryview) -> _Raw:
    metadata = next(_messages(instruction, 7), memoryview(b""))
    return _Raw(
        _text(instruction, 1),
        _text(instruction, 2),
        _text(metadata, 2),
        tuple(_numbers(instruction, 38)),
    )


def _messages(message: memoryview, field: int) -> Iterator[memoryview]:
    for number, value in _fields(message):
        if number == field and isinstance(value, memoryview):
            yield value


def _text(message: memoryview, field: int) -> str:
    return bytes(next(_messages(message, field), b"")).decode()


def _number(message: memoryview, field: int) -> int:
    return next(_numbers(message, field), 0)


def _numbers(message: memoryview, field: int) -> Iterator[int]:
    """The integers of a field, one by one or packed."""
    for number, value in _fields(message):
        if number != field:
            continue
        if isinstance(value, int):
            yield value
            continue
        at = 0
        while at < len(value):
            one, at = _varint(value, at)
            yield one


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a protocol buffer: integers, and the bytes of all else."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        size = {1: 8, 5: 4}.get(wire)
        if size is None:
            size, at = _varint(message, at)
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
