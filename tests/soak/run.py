"""A whole run of many lives, and what is checked after each."""

import dataclasses
import json
import os
import random
from pathlib import Path

import numpy as np

from rnnjax.training import read_metrics
from rnnjax.training.atomic_files import find_fault
from tests.soak.life import FAULTS, SAVE_EVERY, End, Fault, live

MOST_SECONDS_LATER = 0.03
MOST_BYTES = 4000
MOST_SECONDS_OF_A_JUMP = 10**7


@dataclasses.dataclass
class Record:
    """What happened in runs so far.

    Attributes:
        lost: by kind of fault, the steps that each had to be made again.
        wrong: what should not have been, in words.
    """

    lost: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    wrong: list[str] = dataclasses.field(default_factory=list)


def undisturbed(folder: Path, num_steps: int) -> dict[str, bytes]:
    """What a run ends with to which nothing happens."""
    end = live(folder, num_steps, None)
    if end.code:
        raise RuntimeError(f"the undisturbed run ended with code {end.code}:\n{end.said}")
    return outcome(folder)


def outcome(folder: Path) -> dict[str, bytes]:
    """The final state, bit for bit, and the validation losses."""
    with np.load(folder / "final.npz") as arrays:
        found = {name: array.tobytes() for name, array in arrays.items()}
    rows = [row for row in read_metrics(folder / "run") if row["split"] == "valid"]
    losses = [(row["step"], row["loss"]) for row in rows]
    return {**found, "validation": json.dumps(losses).encode()}


def draw_faults(kinds: list[str], num_steps: int, draw: random.Random) -> list[Fault]:
    """Faults of these kinds, at random steps in ascending order."""
    return [
        Fault(
            kind,
            step,
            draw.uniform(0, MOST_SECONDS_LATER),
            draw.randrange(MOST_BYTES)
            if kind == "disk fills"
            else draw.randrange(-MOST_SECONDS_OF_A_JUMP, MOST_SECONDS_OF_A_JUMP),
        )
        for kind, step in zip(
            kinds, sorted(draw.choices(range(1, num_steps), k=len(kinds))), strict=True
        )
    ]


def disturbed(
    folder: Path,
    num_steps: int,
    faults: list[Fault],
    expected: dict[str, bytes],
    draw: random.Random,
    record: Record,
    seconds_a_step: float,
) -> None:
    """A run to which all the faults happen, one after another; `record` takes what comes of it."""
    for fault in faults:
        if (folder / "final.npz").exists():
            break
        end = live(folder, num_steps, fault, seconds_a_step)
        at_its_end = end.step >= num_steps - 1
        lost = _check(folder, fault, end, at_its_end, record)
        record.lost.setdefault(fault.kind, []).append(lost)
        if fault.kind.startswith("checkpoint"):
            _damage(folder, fault.kind, draw, record)
    end = live(folder, num_steps, None)
    if end.code:
        record.wrong.append(f"the last start ended with code {end.code}:\n{end.said}")
        return
    got = outcome(folder)
    differing = [name for name in expected if got.get(name) != expected[name]]
    if differing:
        record.wrong.append(f"at the end these differ: {', '.join(differing)}")


def _check(folder: Path, fault: Fault, end: End, at_its_end: bool, record: Record) -> int:
    """Sees that all is as it should be after a life; returns the steps that were lost."""
    if end.code != FAULTS[fault.kind] and not at_its_end:
        record.wrong.append(f"{fault}: exit code {end.code}\n{end.said}")
    if fault.kind == "disk fills" and end.code == 2 and "error: Cannot write" not in end.said:
        record.wrong.append(f"{fault}: it said\n{end.said}")
    checkpoints = _checkpoints(folder)
    for path in checkpoints[:1]:
        if wrong := find_fault(path):
            record.wrong.append(f"{fault}: the newest checkpoint {path.name}: {wrong}")
    newest = int(checkpoints[0].name[5:]) if checkpoints else 0
    lost = max(end.step - newest, 0)
    # One interval, and at most another one in which the last save was still being written.
    if lost > 2 * SAVE_EVERY + 1:
        record.wrong.append(f"{fault}: {lost} steps lost, from {newest} to {end.step}")
    return lost


def _damage(folder: Path, kind: str, draw: random.Random, record: Record) -> None:
    """Damages a file of the newest checkpoint, if there is another one to go on from."""
    checkpoints = _checkpoints(folder)
    if len(checkpoints) < 2:
        return
    files = [path for path in checkpoints[0].rglob("*") if path.is_file() and path.stat().st_size]
    path = draw.choice(sorted(files))
    size = path.stat().st_size
    if kind == "checkpoint truncated":
        os.truncate(path, draw.randrange(size))
    else:
        content = bytearray(path.read_bytes())
        content[draw.randrange(size)] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
    between = int(checkpoints[0].name[5:]) - int(checkpoints[1].name[5:])
    record.lost[kind][-1] += between


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "run" / "checkpoints").glob("step_*"), reverse=True)
