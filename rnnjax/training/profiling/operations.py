"""The operations of a program in a trace: how often each ran and how long, and a table of them."""

import math
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jax.profiler import ProfileData

from rnnjax.training import atomic_files
from rnnjax.training.profiling.programs import Instruction, Program, read_programs, scope_of
from rnnjax.training.reporting.progress import aligned
from rnnjax.visuals.page import Section, escape, note, wide_table

TABLE = "operations.json"
_OPERATIONS_LINE = "XLA Ops"

TOP = 15
"""Operations in the table."""

SCOPE_HEAD = ("scope", "ms a step", "share")
HEAD = ("operation", "ms a step", "share", "runs a step", "scope", "comes from")
NUMBERS = (1, 2, 3)

Rows = list[tuple[str, ...]]


class Operation(NamedTuple):
    """An operation of the compiled training step; times are means over the devices.

    Attributes:
        name: of its result in the program.
        kind: opcode, such as fusion.
        scope: the part of the step that it belongs to (see `programs.SCOPES`); may be empty.
        source: the JAX operation that it, or the last part of it, comes from; may be empty.
        backward: whether it belongs to the backward pass.
        seconds: a step, without the operations that it runs itself.
        runs: a step.
        shortest: seconds of its shortest run.
    """

    name: str
    kind: str
    scope: str
    source: str
    backward: bool
    seconds: float
    runs: float
    shortest: float


class Profile(NamedTuple):
    """The operations of some steps.

    Attributes:
        first, last: steps of the trace.
        devices: of this process, on which the operations ran.
        seconds: a step, from the beginning of the first operation to the end of the last one.
        operations: those that took longest first.
    """

    first: int
    last: int
    devices: int
    seconds: float
    operations: tuple[Operation, ...]

    @property
    def busy(self) -> float:
        """Seconds a step in which a device ran operations, waiting for other devices included."""
        return sum(one.seconds for one in self.operations)


class _Event(NamedTuple):
    program: int
    name: str
    instruction: Instruction
    device: tuple[str, Any]
    start: float
    end: float


def measure(trace: Path, program: str, first: int, last: int) -> Profile | None:
    """The operations of a program in a trace `*.xplane.pb` of some steps; None: it has none.

    An operation that runs others, such as a loop, lasts as long as they do; its own time is what
    they leave over. Where a GPU starts one before another is over, the time of both is the later
    one's.
    """
    programs = read_programs(trace.read_bytes(), program)
    # If two names become the same, the first one counts.
    kernels = {
        number: {re.sub(r"\W", "_", name): name for name in reversed(instructions)}
        for number, instructions in programs.items()
    }
    times: dict[tuple[int, str, Instruction], list[float]] = defaultdict(list)
    devices, start, end = set(), math.inf, 0.0
    with warnings.catch_warnings():
        # Of jaxlib's own types, in Python 3.12.
        warnings.filterwarnings("ignore", "builtin type .* has no __module__", DeprecationWarning)
        for plane in ProfileData.from_file(str(trace)).planes:
            for line in plane.lines:  # a thread, or a stream
                for event, own in _own_times(_events(plane.name, line, program, programs, kernels)):
                    times[event.program, event.name, event.instruction].append(own)
                    devices.add(event.device)
                    start, end = min(start, event.start), max(end, event.end)
    if not times:
        return None
    runs = (last - first + 1) * len(devices)
    operations = (
        Operation(
            name,
            *instruction,
            seconds=sum(own) * 1e-9 / runs,
            runs=len(own) / runs,
            shortest=min(own) * 1e-9,
        )
        for (_, name, instruction), own in sorted(times.items(), key=lambda item: -sum(item[1]))
    )
    seconds = (end - start) * 1e-9 / (last - first + 1)
    return Profile(first, last, len(devices), seconds, tuple(operations))


def write_profile(folder: Path, profile: Profile) -> None:
    """Writes ``operations.json`` into a folder."""
    operations = [one._asdict() for one in profile.operations]
    atomic_files.write_json(folder / TABLE, profile._asdict() | {"operations": operations})


def read_profile(folder: Path) -> Profile | None:
    """Reads what `write_profile` wrote; None if it wrote nothing."""
    if not (folder / TABLE).exists():
        return None
    stored = atomic_files.read_json(folder / TABLE)
    operations = tuple(Operation(**one) for one in stored.pop("operations"))
    return Profile(**stored, operations=operations)


def _events(
    plane: str, line: Any, program: str,
    programs: dict[int, Program], kernels: dict[int, dict[str, str]],
) -> Iterator[_Event]:  # fmt: skip
    """The operations of a program in a line of a trace."""
    for event in line.events:
        stats = dict(event.stats)
        if line.name != _OPERATIONS_LINE and "hlo_op" not in stats:
            continue
        name = str(stats.get("hlo_op") or re.split(r"[ =]", event.name.lstrip("%"))[0])
        if stats.get("hlo_module", program) != program:
            continue
        ids = [stats["program_id"] % 2**64] if "program_id" in stats else programs
        known = [number for number in ids if number in programs]
        number = next((one for one in known if name in programs[one]), None)
        if number is not None:
            instruction = programs[number][name]
        elif known and "cuda_graph_id" in stats:
            number = known[0]
            op_name = str(stats.get("name", ""))
            name, instruction = _of_kernel(event.name, op_name, programs[number], kernels[number])
        else:
            continue
        device = plane, stats.get("device_ordinal")
        end_ns = event.start_ns + event.duration_ns
        yield _Event(number, name, instruction, device, event.start_ns, end_ns)


def _of_kernel(
    kernel: str, op_name: str, program: Program, kernels: dict[str, str]
) -> tuple[str, Instruction]:
    """The instruction of a kernel of a CUDA graph.

    A trace has the kernel's own name, made of that of the instruction (or of one that computes the
    same elsewhere in the program) unless it comes from a library, and the JAX operation that the
    graph belongs to, if it is a single one.
    """
    name = kernels.get(kernel, kernel)
    instruction = program.get(name) or Instruction("kernel", "", "", "transpose(" in op_name)
    return name, instruction._replace(scope=scope_of(op_name) or instruction.scope)


def _own_times(events: Iterable[_Event]) -> Iterator[tuple[_Event, float]]:
    """Each event of a line with its time in ns, less that of the events that start within it."""
    events = sorted(events, key=lambda event: (event.start, -event.end))
    own = [0.0] * len(events)
    on: list[int] = []
    now = 0.0
    for n, start in enumerate([*(event.start for event in events), math.inf]):
        while on and now < start:
            until = min(start, events[on[-1]].end)
            own[on[-1]] += max(0.0, until - now)
            now = max(now, until)
            if events[on[-1]].end <= now:
                on.pop()
        now = start
        on.append(n)
    return zip(events, own, strict=True)


def profile_text(profile: Profile) -> str:
    """The shares of the scopes and the operations that take longest, in fixed width."""
    tables = (aligned(rows, NUMBERS) for rows in (_scopes(profile), _top(profile)))
    return "\n".join([_summary(profile), *tables])


def profile_section(profile: Profile) -> Section:
    """The same for the report."""
    tables = (
        wide_table(head, [list(map(escape, row)) for row in rows], NUMBERS)
        for head, *rows in (_scopes(profile), _top(profile))
    )
    return Section("Top operations", html=note(_summary(profile)) + "".join(tables))


def _summary(profile: Profile) -> str:
    devices = "the device" if profile.devices == 1 else f"each of {profile.devices} devices"
    return (
        f"Steps {profile.first} to {profile.last}: {1e3 * profile.seconds:.2f} ms a step, "
        f"{1e3 * profile.busy:.2f} ms of it in operations of {devices}."
    )


def _scopes(profile: Profile) -> Rows:
    seconds: dict[str, float] = defaultdict(float)
    for one in profile.operations:
        seconds[one.scope or "other"] += one.seconds
    order = sorted(seconds, key=lambda name: -seconds[name])
    return [SCOPE_HEAD, *((name, *_share(seconds[name], profile)) for name in order)]


def _top(profile: Profile) -> Rows:
    rows: Rows = [HEAD]
    for one in profile.operations[:TOP]:
        origin = f"{one.source or one.kind}{' (backward)' if one.backward else ''}"
        share = _share(one.seconds, profile)
        rows.append((one.name, *share, f"{one.runs:.4g}", one.scope, origin))
    return rows


def _share(seconds: float, profile: Profile) -> tuple[str, str]:
    return f"{1e3 * seconds:.3f}", f"{seconds / profile.busy:.1%}"
