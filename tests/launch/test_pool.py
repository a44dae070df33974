"""Processes side by side; small scripts stand in for the experiments."""

import os
import signal
import sys
import threading
import time

import pytest

from launch.sweep import pool
from launch.sweep.plan import Planned
from rnnjax import training
from rnnjax.errors import UserError

WAIT_FOR = "import os, time\nwhile not os.path.exists({0!r}): time.sleep(0.02)\n"
TOUCH = "open({0!r}, 'w').close()\n"
FINISH = "open({0!r}, 'w').write('{{}}')\n"


class Script(Planned):
    """A run whose command is a Python script; it finishes itself."""

    def command(self, experiment):
        return [sys.executable, "-S", "-c", self.flags[0]]


def script(folder, name, text, finish=True):
    workdir = folder / name
    workdir.mkdir()
    if finish:
        text += FINISH.format(str(workdir / "results.json"))
    return Script({}, 0, workdir, (text,), 10)


def test_jobs_run_side_by_side_each_on_cores_of_its_own(tmp_path):
    cores = "import os\nprint(sorted(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS'])\n"
    a, b = str(tmp_path / "a began"), str(tmp_path / "b began")
    runs = [
        script(tmp_path, "a", cores + TOUCH.format(a) + WAIT_FOR.format(b)),
        script(tmp_path, "b", cores + TOUCH.format(b) + WAIT_FOR.format(a)),
    ]
    before = os.sched_getaffinity(0)
    assert pool.run_all("x", runs, 2) == {}
    assert os.sched_getaffinity(0) == before
    shares = pool.share_out(sorted(before), 2)
    told = [run.log.read_text().strip() for run in runs]
    assert told == [f"{share} {len(share)}" for share in shares]


def test_no_more_jobs_at_a_time_than_asked_for(tmp_path):
    shared = str(tmp_path / "running")
    alone = f"import os, sys, time\nos.mkdir({shared!r})\ntime.sleep(0.1)\nos.rmdir({shared!r})\n"
    runs = [script(tmp_path, name, alone) for name in "abc"]
    assert pool.run_all("x", runs, 1) == {}


def test_what_failed_is_told_with_its_code_and_the_others_go_on(tmp_path, capsys):
    runs = [
        script(tmp_path, "bad", "print('the reason')\nraise SystemExit(3)\n"),
        script(tmp_path, "good", ""),
    ]
    assert pool.run_all("x", runs, 1) == {"bad": 3}
    assert runs[0].log.read_text() == "the reason\n"
    assert runs[1].results() == {}
    assert "1/2 finished, 1 failed" in capsys.readouterr().err


def test_what_is_finished_is_not_run_again(tmp_path):
    run = script(tmp_path, "a", "raise SystemExit(1)\n")
    (run.workdir / "results.json").write_text("{}")
    assert pool.run_all("x", [run], 1) == {}
    assert not run.log.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_sweep_lets_its_runs_save(tmp_path, number, request):
    # As a shell that starts a command with & leaves SIGINT.
    before = signal.signal(number, signal.SIG_IGN)
    request.addfinalizer(lambda: signal.signal(number, before))
    begun, saved = tmp_path / "begun", tmp_path / "saved"
    text = (
        "import signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(saved)!r}, 'w'), sys.exit(75)))\n"
        f"{TOUCH.format(str(begun))}time.sleep(60)\n"
    )
    runs = [script(tmp_path, "a", text, finish=False), script(tmp_path, "b", "")]

    def interrupt():
        while not begun.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt).start()
    with pytest.raises(training.Interrupted):
        pool.run_all("x", runs, 1)
    assert saved.exists()
    assert runs[1].results() is None
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.parametrize("num_cores", [1, 2, 3, 8, 13])
@pytest.mark.parametrize("num_jobs", [1, 2, 3, 5, 20])
def test_cores_are_all_used_and_fairly(num_cores, num_jobs):
    cores = list(range(100, 100 + num_cores))
    shares = pool.share_out(cores, num_jobs)
    assert len(shares) == num_jobs
    assert set().union(*shares) == set(cores) or num_jobs < num_cores
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    if num_jobs <= num_cores:
        assert [core for share in shares for core in share] == cores
    else:
        users = [sum(core in share for share in shares) for core in cores]
        assert max(users) - min(users) <= 1


def test_no_jobs_is_refused(tmp_path):
    with pytest.raises(UserError, match="--jobs is 1 or more; got 0"):
        pool.run_all("x", [], 0)
