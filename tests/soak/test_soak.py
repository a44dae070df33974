"""The soak in short: one run with a fault of each kind."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.training.test_resume import COMPILES_FOR_ITSELF


def test_runs_to_which_everything_happens_end_with_the_same_bits():
    seed = time.time_ns() % 10**6
    command = [sys.executable, "-m", "tests.soak", "--minutes=0", f"--seed={seed}"]
    told = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        env={**os.environ, **COMPILES_FOR_ITSELF},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, f"{command}\n{told.stdout}\n{told.stderr}"
    assert "every run ended like the one that nothing happened to" in told.stdout
