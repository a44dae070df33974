"""Trains a small run under everything that may happen to a process, and compares the end.

    python -m tests.soak --minutes=30 --seed=0      runs with a fault of each kind
    python -m tests.soak --kills=100                one run with a hundred SIGKILLs, then it ends

With `--seconds_a_step=0.4` ten seconds lie between two saves instead of a tenth of one: as in real
runs a save is short beside that, and a kill costs no more than the steps since the last one.

Each life of a run is a process. At a random step it is killed or told to stop, its disk fills up
or its clock jumps; or its newest checkpoint is damaged before the same command starts again. After
each life the newest checkpoint must be whole, and at its end each run must have the parameters, the
optimizer's state and the validation losses of one that nothing happened to, bit for bit. Exit code
1: something was not so, and is told.
"""

import argparse
import platform
import random
import sys
import tempfile
import time
import warnings
from pathlib import Path

import jax

from tests.soak.life import FAULTS, SAVE_EVERY, SECONDS_A_STEP
from tests.soak.run import Record, disturbed, draw_faults, undisturbed

STEPS_A_FAULT = 40


def main() -> int:
    """Does what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="no run begins after these")
    parser.add_argument("--kills", type=int, default=0, help="one run with so many SIGKILLs")
    parser.add_argument(
        "--seconds_a_step",
        type=float,
        default=SECONDS_A_STEP,
        help=f"of which {SAVE_EVERY} lie between two saves",
    )
    parser.add_argument("--seed", type=int, default=0, help="decides what happens when")
    given = parser.parse_args()
    # Of this process nothing but Python is in use when it forks.
    warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
    draw, record, began = random.Random(given.seed), Record(), time.monotonic()
    kinds = ["SIGKILL"] * given.kills
    num_steps = STEPS_A_FAULT * (given.kills or len(FAULTS))
    num_runs = 0
    with tempfile.TemporaryDirectory() as folder:
        expected = undisturbed(Path(folder) / "undisturbed", num_steps)
        while not num_runs or (not given.kills and time.monotonic() - began < 60 * given.minutes):
            chosen = kinds or draw.sample(list(FAULTS), k=len(FAULTS))
            faults = draw_faults(chosen, num_steps, draw)
            run = Path(folder) / f"{num_runs}"
            disturbed(run, num_steps, faults, expected, draw, record, given.seconds_a_step)
            num_runs += 1
            if record.wrong:
                break
    minutes = (time.monotonic() - began) / 60
    about = (
        f"Python {platform.python_version()}, jax {jax.__version__}, seed {given.seed}: "
        f"{num_runs} runs of {num_steps} steps in {minutes:.1f} minutes, a save every "
        f"{SAVE_EVERY} steps of {given.seconds_a_step:g} s and more"
    )
    print(_report(about, record))
    return 1 if record.wrong else 0


def _report(about: str, record: Record) -> str:
    lines = [
        about,
        f"{'':<24}{'times':>6}{'steps lost: mean':>18}{'most':>6}",
    ]
    for kind in FAULTS:
        if lost := record.lost.get(kind):
            mean = sum(lost) / len(lost)
            lines.append(f"{kind:<24}{len(lost):>6}{mean:>18.1f}{max(lost):>6}")
    same = "every run ended like the one that nothing happened to, bit for bit"
    return "\n".join([*lines, *(record.wrong or [same])])


if __name__ == "__main__":
    sys.exit(main())
