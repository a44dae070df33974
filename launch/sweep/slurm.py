"""A sweep as a SLURM array: a file with a command a line, and the call of sbatch."""

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from launch.sweep.plan import Planned
from rnnjax.errors import UserError
from rnnjax.training import atomic_files

SCRIPT = Path(__file__).resolve().parent.parent / "slurm.sbatch"


def submit(
    experiment: str, runs: Sequence[Planned], folder: Path, num_jobs: int, options: Sequence[str]
) -> str:
    """Writes the commands of what is not finished, and submits them where there is a SLURM.

    Args:
        experiment: its name.
        runs: see `plan`.
        folder: of the sweep.
        num_jobs: how many of them may run at a time.
        options: further ones of sbatch, `--partition=NAME` and the like.

    Returns:
        What sbatch says, or how to submit elsewhere.

    Raises:
        UserError: sbatch refused.
    """
    waiting = [run for run in runs if run.results() is None]
    if not waiting:
        return "All runs are finished: nothing to submit."
    commands = folder / "commands.txt"
    lines = [f"{shlex.join(run.command(experiment))}\n" for run in waiting]
    atomic_files.write_text(commands, "".join(lines))
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
