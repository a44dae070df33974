"""SLURM: what is submitted, which line a job runs, and when it is queued again."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from launch.sweep import plan
from launch.sweep.plan import Planned
from rnnjax.errors import UserError
from tests.launch.fake_tools import ROOT

SCRIPT = ROOT / "launch/slurm.sbatch"


@pytest.fixture
def job(tools, tmp_path):
    """`(command) -> result`: runs the second job of an array, under a SLURM of shell scripts."""
    tools.add("srun", 'shift; exec "$@"')
    tools.add("scontrol")

    def run(command, **environment):
        (tmp_path / "commands.txt").write_text(f"false\n{command}\nfalse\n")
        return tools.run(
            SCRIPT, "--commands", tmp_path / "commands.txt",
            SLURM_ARRAY_TASK_ID="1", SLURM_JOB_ID="77", SLURM_SUBMIT_DIR=str(ROOT), **environment,
        )  # fmt: skip

    return run


def requeued(tools):
    return [call for call in tools.calls() if call.startswith("scontrol")]


def test_a_job_of_an_array_runs_its_line(job, tools, tmp_path):
    result = job(f"touch '{tmp_path}/with a space'")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "with a space").exists()
    assert requeued(tools) == []


def test_a_job_asks_for_large_pages(job, monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert job("printenv GLIBC_TUNABLES").stdout == "glibc.malloc.hugetlb=1\n"


@pytest.mark.parametrize(
    ("code", "again"), [(75, True), (143, True), (130, False), (2, False), (1, False)]
)
def test_what_was_stopped_is_queued_again_and_what_failed_is_not(job, tools, code, again):
    result = job(f"bash -c 'exit {code}'")
    assert result.returncode == code
    assert requeued(tools) == (["scontrol requeue 77"] if again else [])


def test_what_was_cancelled_stays_cancelled(tools, tmp_path):
    tools.add("srun", 'shift; exec "$@"')
    tools.add("scontrol")
    begun = tmp_path / "begun"
    (tmp_path / "commands.txt").write_text(
        f"bash -c 'trap \"exit 75\" TERM; touch {begun}; while true; do sleep 0.1; done'\n"
    )
    environment = tools.environment(
        SLURM_ARRAY_TASK_ID="0", SLURM_JOB_ID="77", SLURM_SUBMIT_DIR=str(ROOT)
    )
    command = [SCRIPT, "--commands", tmp_path / "commands.txt"]
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        while not begun.exists():
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGTERM)  # as scancel does
        assert process.wait(timeout=20) != 0
    assert requeued(tools) == []


def test_outside_of_the_checkout_it_says_so(tools, tmp_path):
    result = tools.run(SCRIPT, "char_lm", SLURM_SUBMIT_DIR=str(tmp_path))
    assert result.returncode == 2
    assert "is no checkout of rnnjax" in result.stderr


def test_a_single_experiment_is_one_step(tools, tmp_path):
    for name in ("launch", "setup.cfg", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    tools.add("srun")
    tools.add("python")  # of an environment: its folder is called bin
    here = {"RNNJAX_ROOT": str(tmp_path), "RNNJAX_VENV": str(tmp_path)}
    result = tools.run(SCRIPT, "char_lm", "--a=b c", **here)
    assert result.returncode == 0, result.stderr
    step = f"srun --kill-on-bad-exit=1 {tools.folder}/python -P -m experiments.char_lm --a=b c"
    assert tools.calls()[-1] == step


def planned(folder: Path, seed: int, finished: bool) -> Planned:
    workdir = folder / f"seed={seed}"
    if finished:
        workdir.mkdir()
        (workdir / "results.json").write_text('{"loss": 1.0}')
    return Planned({}, seed, workdir, (f"--config.seed={seed}", "--config.data=a b"), 10)


def test_only_what_is_missing_is_submitted(tools, tmp_path, monkeypatch):
    tools.add("sbatch", 'echo "Submitted batch job 5"')
    monkeypatch.setenv("PATH", f"{tools.folder}:/usr/bin:/bin")
    runs = [planned(tmp_path, seed, seed == 1) for seed in range(3)]
    assert plan.submit("char_lm", runs, tmp_path, 2, ["--partition=p"]) == "Submitted batch job 5"
    (call,) = tools.calls()
    assert "--array=0-1%2 " in call
    assert " --partition=p " in call
    assert f" --export=ALL,RNNJAX_ROOT={ROOT} " in call
    (commands,) = tmp_path.glob("commands-*.txt")
    assert call.endswith(f"launch/slurm.sbatch --commands {commands}")
    lines = commands.read_text().splitlines()
    assert [line.count("--config.seed=1") for line in lines] == [0, 0]
    assert all("-m experiments.char_lm" in line and "'--config.data=a b'" in line for line in lines)
    plan.submit("char_lm", runs[:1], tmp_path, 2, [])
    assert commands.read_text().splitlines() == lines  # which the first array still reads


def test_without_slurm_it_tells_the_call(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    said = plan.submit("char_lm", [planned(tmp_path, 0, False)], tmp_path, 1, [])
    assert said.startswith("There is no sbatch here.")
    assert "sbatch --job-name=" in said
    assert len([*tmp_path.glob("commands-*.txt")]) == 1


def test_a_refusal_is_told(tools, tmp_path, monkeypatch):
    tools.add("sbatch", 'echo "invalid partition" >&2; exit 1')
    monkeypatch.setenv("PATH", f"{tools.folder}:/usr/bin:/bin")
    with pytest.raises(UserError, match="sbatch refused: invalid partition"):
        plan.submit("char_lm", [planned(tmp_path, 0, False)], tmp_path, 1, [])
