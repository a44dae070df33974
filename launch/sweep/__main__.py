"""Trains an experiment with many configs and seeds, then compares them.

    python -m launch.sweep --experiment=ner --grid cell=lstm,gru --seeds 3 --jobs 2
    python -m launch.sweep --experiment=char_lm --grid hidden_size=64,128 dropout=0,0.2 \\
        -- --preset=shakespeare --config.data=input.txt
    python -m launch.sweep ... --slurm --sbatch=--partition=gpu     submit it as a SLURM array
    python -m launch.sweep ... --table                              only show the results so far

The flags after -- go to every run. Each run is a process of its own with a workdir in
runs/sweep_NAME, beside it a log of what it printed. The same command again goes on:
finished runs are not repeated, stopped ones are resumed. It ends with a table (mean ± standard
deviation over the seeds) of the results that each run reports, also in results.md, results.csv
(a line per run) and results.png.
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from launch import command
from launch.sweep import plan, pool, summary
from rnnjax import training


def sweep(argv: Sequence[str]) -> int:
    """Does what the command line asks for; returns the process's exit code."""
    at = argv.index("--") if "--" in argv else len(argv)
    flags = list(argv[at + 1 :])
    given = _parser().parse_args(argv[:at])
    experiment = command.experiment(given.experiment)
    folder = Path(given.folder) / f"sweep_{given.name or given.experiment}"
    runs = plan.plan(experiment, plan.parse_grid(given.grid), given.seeds, flags, folder)
    plan.claim(folder, given.experiment, flags)
    if given.slurm:
        print(plan.submit(given.experiment, runs, folder, given.jobs, given.sbatch))
        return 0
    failed = {} if given.table else pool.run_all(given.experiment, runs, given.jobs)
    print(summary.write(runs, folder))
    unfinished = [run for run in runs if run.results() is None]
    for run in unfinished:
        code = failed.get(run.name)
        how = "not finished" if code is None else f"failed with exit code {code}"
        if code == training.EXIT_SAVED:
            how = "was stopped, and has saved"
        print(f"{run.name} {how}; log: {run.log}", file=sys.stderr)
    if unfinished:
        again = shlex.join(["python", "-m", "launch.sweep", *argv])
        print(f"What is missing is run again by: {again}", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> command.Parser:
    parser = command.Parser("launch.sweep", __doc__ or "")
    parser.add_argument("--experiment", required=True, help="which one")
    parser.add_argument(
        "--grid", nargs="+", action="append", default=[], metavar="FIELD=VALUE,...",
        help="config fields and their values; every combination is run",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, default=1, help="runs of each combination; default: 1")
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        help="processes at a time, which share the cores; default: 1",
    )
    parser.add_argument("--name", help="of the sweep; default: that of the experiment")
    parser.add_argument("--folder", default="runs", help="where sweep_NAME goes; default: runs")
    parser.add_argument("--table", action="store_true", help="run nothing, only show the results")
    parser.add_argument("--slurm", action="store_true", help="submit a SLURM array instead")
    parser.add_argument(
        "--sbatch", action="append", default=[], help="an option of sbatch, e.g. --partition=gpu"
    )
    return parser


if __name__ == "__main__":
    command.guarded(sweep, None)
