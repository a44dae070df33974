"""The runs of a sweep, every combination of the grid, once per seed; as a SLURM array."""

import dataclasses
import itertools
import re
import shlex
import shutil
import subprocess
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.experiment import Experiment
from rnnjax import training
from rnnjax.errors import UserError, did_you_mean
from rnnjax.training import atomic_files

Grid = dict[str, tuple[str, ...]]

SCRIPT = Path(__file__).resolve().parent.parent / "slurm.sbatch"
RECORD = "sweep.json"
OWN_FLAGS = ("--workdir", "--mode", "--config.seed")


class Planned(NamedTuple):
    """One run of a sweep.

    Attributes:
        setting: the values of the grid's fields, as they were written.
        flags: its command line but for the program.
        num_steps: updates that it is to make.
    """

    setting: dict[str, str]
    seed: int
    workdir: Path
    flags: tuple[str, ...]
    num_steps: int

    @property
    def name(self) -> str:
        """Its name within the sweep."""
        return self.workdir.name

    @property
    def log(self) -> Path:
        """The file of what the run prints."""
        return self.workdir.with_name(f"{self.name}.log")

    def command(self, experiment: str) -> list[str]:
        """The command that starts or resumes it."""
        return [sys.executable, "-P", "-m", f"experiments.{experiment}", *self.flags]

    def results(self) -> dict[str, float] | None:
        """Its final numbers by name; None: not finished."""
        found = training.read_results(self.workdir)
        return found and {name: n for name, n in found.items() if isinstance(n, int | float)}

    def step(self) -> int:
        """The last update in its metrics."""
        rows = training.read_metrics(self.workdir)
        return int(rows[-1]["step"]) if rows else 0


def parse_grid(axes: Sequence[Sequence[str]]) -> Grid:
    """The grid of `--grid a=1,2 b=x`, which may be given several times.

    Raises:
        UserError: one of them is written otherwise, or a field or value is given twice.
    """
    grid: Grid = {}
    for axis in itertools.chain(*axes):
        name, equals, values = axis.partition("=")
        name = name.removeprefix("--").removeprefix("config.")
        chosen = tuple(values.split(",")) if equals else ()
        if not name or not all(chosen) or not chosen:
            raise UserError(f"--grid takes FIELD=VALUE,VALUE,...; got {axis!r}")
        if name in grid:
            raise UserError(f"--grid names {name} twice: put all its values into one list")
        if len(set(chosen)) < len(chosen):
            raise UserError(f"--grid {axis}: a value is given twice")
        grid[name] = chosen
    return grid


def plan(
    experiment: Experiment, grid: Grid, num_seeds: int, flags: Sequence[str], folder: Path
) -> list[Planned]:
    """The runs, the seeds 0, 1, ... of one setting together, each with a workdir in the folder.

    The experiment's own checks are made of each.

    Raises:
        UserError: a field, a value or a flag cannot be used.
    """
    if num_seeds < 1:
        raise UserError(f"--seeds is 1 or more; got {num_seeds}")
    fields = [field.name for field in dataclasses.fields(experiment.presets["default"].config)]
    for name in grid:
        if name == "seed":
            raise UserError("--grid seed=...: seeds are counted by --seeds")
        if name not in fields:
            raise UserError(f"--grid {name}=...: {experiment.name} has no such config field; "
                            f"{did_you_mean(name, fields)}")  # fmt: skip
    for flag in flags:
        name = flag.partition("=")[0]
        if name in OWN_FLAGS:
            raise UserError(f"{name} after -- is for the sweep itself to give")
        if name.removeprefix("--config.") in grid:
            raise UserError(f"{name} after -- is in the --grid too: give it once")
    runs = []
    for values in itertools.product(*grid.values()):
        setting = dict(zip(grid, values, strict=True))
        for seed in range(num_seeds):
            named = {**setting, "seed": str(seed)}
            workdir = folder / ",".join(f"{name}={_slug(value)}" for name, value in named.items())
            chosen = [f"--config.{name}={value}" for name, value in named.items()]
            argv = (*flags, *chosen, f"--workdir={workdir}")
            config = experiment.parse(argv).config
            runs.append(Planned(setting, seed, workdir, argv, config.num_steps))
    return runs


def claim(folder: Path, experiment: str, flags: Sequence[str]) -> None:
    """Stores the experiment and flags of a sweep in its folder, so that no other one uses it.

    The grid may change from call to call, the experiment and the flags may not.

    Raises:
        UserError: the folder holds another sweep, or cannot be written.
    """
    mine = {"experiment": experiment, "flags": list(flags)}
    record = folder / RECORD
    if record.exists() and (theirs := atomic_files.read_json(record)) != mine:
        raise UserError(
            f"{folder} holds a sweep of {theirs['experiment']} with the flags "
            f"{theirs['flags']}; this one is of {experiment} with {list(flags)}. "
            "Choose another --name."
        )
    with atomic_files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    atomic_files.write_json(record, mine)


def _slug(value: str) -> str:
    """A value as part of a file's name, different for different values."""
    safe = re.sub(r"[^A-Za-z0-9._+-]", "_", value)[-40:]
    return safe if safe == value else f"{safe}-{zlib.crc32(value.encode()):08x}"


def submit(
    experiment: str, runs: Sequence[Planned], folder: Path, num_jobs: int, options: Sequence[str]
) -> str:
    """Writes the commands of what is not finished, and submits them where there is a SLURM.

    Returns:
        What sbatch says, which gets these further options, or how to submit elsewhere.

    Raises:
        UserError: sbatch refused.
    """
    waiting = [run for run in runs if run.results() is None]
    if not waiting:
        return "All runs are finished: nothing to submit."
    lines = "".join(f"{shlex.join(run.command(experiment))}\n" for run in waiting)
    # Jobs of an earlier array read theirs when they start, and again when they are requeued.
    commands = folder / f"commands-{zlib.crc32(lines.encode()):08x}.txt"
    atomic_files.write_text(commands, lines)
    call = [
        "sbatch",
        f"--job-name={folder.name}",
        f"--array=0-{len(waiting) - 1}%{num_jobs}",
        f"--output={folder}/slurm-%A_%a.log",
        f"--export=ALL,RNNJAX_ROOT={SCRIPT.parent.parent}",
        *options,
        str(SCRIPT),
        "--commands",
        str(commands),
    ]
    if shutil.which("sbatch") is None:
        return f"There is no sbatch here. On a machine that has it:\n{shlex.join(call)}"
    said = subprocess.run(call, capture_output=True, text=True, check=False)
    if said.returncode:
        raise UserError(f"sbatch refused: {said.stderr.strip()}\n{shlex.join(call)}")
    return said.stdout.strip()
