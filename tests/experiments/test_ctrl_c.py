"""Ctrl-C before the training begins: one line, code 130, at any moment."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("module", "seconds"),
    [*(("experiments.char_lm", n) for n in (0.3, 0.9, 1.6, 2.4)), ("launch.tpu_dryrun", 0.5)],
)
def test_ctrl_c_while_it_imports(tmp_path, module, seconds):
    command = [sys.executable, "-m", module, f"--workdir={tmp_path / 'run'}"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    if "Compiling" in said:  # A fast machine: the training has begun, and is saved.
        assert process.returncode == 75, said
        assert said.splitlines()[-1].startswith("Interrupted; saved")
        return
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "Stopped."
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_ctrl_c_does_not_wait_for_a_long_call_where_there_is_nothing_to_save():
    """Python's handlers wait until it returns, as of a long search of a mode such as predict."""
    program = """
import hashlib, signal
from experiments import cli, stop_at_once
signal.signal(signal.SIGINT, stop_at_once)
with cli.plain_errors():
    print("busy", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 200_000_000)
"""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, **pipes) as process:
        try:
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=15)
        finally:
            process.kill()
    assert (process.returncode, said) == (130, "Stopped.\n")
