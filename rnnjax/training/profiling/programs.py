"""The compiled programs in a trace: what each operation is, and which part of the step it is in.

A trace (`*.xplane.pb`) holds an `HloProto` of every program that ran, in the metadata of a plane of
their own, which `jax.profiler.ProfileData` does not show. The few fields that are needed are
declared here; their numbers are those of `tsl/profiler/protobuf/xplane.proto` and
`xla/service/hlo.proto`, and never change.
"""

import functools
import re
from collections import Counter
from typing import Any, NamedTuple

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

SCOPES = ("embed", "project", "scan", "head", "loss", "optimizer")
"""The parts of a training step; each is a `jax.named_scope` where it is computed."""

EXCHANGE = "exchange"
"""In place of a scope: what devices send each other, and their waiting for it."""

COLLECTIVES = {
    "all-reduce", "all-gather", "reduce-scatter", "all-to-all", "ragged-all-to-all",
    "collective-permute", "collective-broadcast",
}  # fmt: skip
PLANE = "/host:metadata"

_KINDS = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "int64": FieldDescriptorProto.TYPE_INT64,
}
_MESSAGES = {
    "XSpace": ["repeated XPlane planes 1"],
    "XPlane": ["optional string name 2", "repeated Entry event_metadata 4"],
    "Entry": ["optional XEventMetadata value 2"],
    "XEventMetadata": ["optional string name 2", "repeated XStat stats 5"],
    "XStat": ["optional bytes bytes_value 6"],
    "HloProto": ["optional HloModule hlo_module 1"],
    "HloModule": ["repeated HloComputation computations 3"],
    "HloComputation": ["repeated HloInstruction instructions 2", "optional int64 id 5"],
    "HloInstruction": [
        "optional string name 1",
        "optional string opcode 2",
        "optional OpMetadata metadata 7",
        "repeated int64 called_computation_ids 38",
    ],
    "OpMetadata": ["optional string op_name 2"],
}


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
    """The programs of a name such as jit_train_step in the content of a trace, by id.

    There are several where a function was compiled for batches of several shapes, or where the
    process has another function of that name: a trace holds all programs of its process.
    """
    programs = {}
    for plane in _message_class("XSpace").FromString(trace).planes:
        for entry in plane.event_metadata if plane.name == PLANE else ():
            program = re.fullmatch(r"(.*)\((\d+)\)", entry.value.name)
            if program and program[1] == name:
                for stat in entry.value.stats:
                    if stat.HasField("bytes_value"):
                        hlo = _message_class("HloProto").FromString(stat.bytes_value)
                        programs[int(program[2])] = _program(hlo.hlo_module)
    return programs


def scope_of(op_name: str) -> str:
    """The innermost of `SCOPES` in a name such as 'jit(f)/transpose(jvp(scan))/while/body/dot'."""
    parts = re.split(r"[/()]", op_name)
    return next((part for part in reversed(parts) if part in SCOPES), "")


def source_of(op_name: str) -> str:
    """The last operation in such a name."""
    last = op_name.rpartition("/")[2]
    return last if "(" in last else last.rstrip(")")


def _program(module: Any) -> Program:
    """An instruction without a scope has that of most of what it runs, or else its caller's."""
    computations = {one.id: one.instructions for one in module.computations}
    callers = {
        called: (instruction.metadata.op_name, inside)
        for inside, instructions in computations.items()
        for instruction in instructions
        for called in instruction.called_computation_ids
    }

    def scope(instruction: Any, inside: int) -> str:
        if instruction.opcode.removesuffix("-start").removesuffix("-done") in COLLECTIVES:
            return EXCHANGE
        if own := scope_of(instruction.metadata.op_name):
            return own
        within = Counter(
            scope_of(other.metadata.op_name)
            for called in instruction.called_computation_ids
            for other in computations[called]
        )
        del within[""]
        if within:
            return within.most_common(1)[0][0]
        while inside in callers:
            op_name, inside = callers[inside]
            if found := scope_of(op_name):
                return found
        return ""

    return {
        one.name: Instruction(
            one.opcode,
            scope(one, inside),
            source_of(one.metadata.op_name),
            "transpose(" in one.metadata.op_name,
        )
        for inside, instructions in computations.items()
        for one in instructions
    }


@functools.cache
def _message_class(name: str) -> Any:
    """The class of a protocol buffer of `_MESSAGES`."""
    file = FileDescriptorProto(name="rnnjax/trace.proto", package="rnnjax")
    for message, fields in _MESSAGES.items():
        added = file.message_type.add(name=message)
        for label, kind, field, number in map(str.split, fields):
            added.field.add(
                name=field,
                number=int(number),
                label=FieldDescriptorProto.Label.Value(f"LABEL_{label.upper()}"),
                type=_KINDS.get(kind, FieldDescriptorProto.TYPE_MESSAGE),
                type_name=None if kind in _KINDS else f".rnnjax.{kind}",
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"rnnjax.{name}"))
