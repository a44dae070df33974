"""Two processes of two devices each: training, a kill, and restoring somewhere else."""

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.training.processes import group, loss_message
from tests.training.sharded import NUM_STEPS, final, finish, losses, start

MORE_STEPS = NUM_STEPS + 4
FOLDER = str(Path(loss_message.__file__).parent)


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def python(*arguments):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def start_both(workdir, **of_second):
    where = f"127.0.0.1:{free_port()}"
    given = {"workdir": str(workdir)}
    return (
        start(2, {**given, "join": [where, 2, 0]}),
        start(2, {**given, "join": [where, 2, 1], **of_second}),
    )


def test_two_processes_survive_a_kill_and_their_checkpoint_fits_everywhere(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    alone = start(1, {"workdir": str(one)})
    first, second = start_both(two, kill_at=8)
    _, said = first.communicate(timeout=150)
    second.communicate(timeout=10)
    assert second.returncode == -9
    assert first.returncode != 0
    assert "If one of them is lost, the others end within 10 s" in said
    # In words of this package, whether a collective failed or JAX ended the process by force.
    assert "Start all processes again with the same commands" in said
    assert ("error: Another process of this run was lost" in said) == (first.returncode == 69)
    assert (loss_message.TEXT in said) == (first.returncode != 69)
    first, second = start_both(two)
    assert "Resuming" in finish(first)
    assert "Resuming" not in finish(second)

    finish(alone)
    np.testing.assert_allclose(losses(two), losses(one), atol=1e-5)
    assert len(losses(two, "valid")) == 2
    trained = final(two)
    for leaf, expected in final(one).items():
        np.testing.assert_allclose(trained[leaf], expected, atol=1e-4, err_msg=leaf)

    # Runs that have nothing left to do give back what they restored, here on other devices.
    on_four = {"workdir": str(one), "mesh": "fsdp:2,model:2"}
    on_one = {"workdir": str(two), "mesh": "data:1"}
    on_two = {"workdir": str(one), "mesh": "data:2"}
    said = finish(
        start(
            4,
            {**on_four, "result": "moved"},
            {**on_one, "result": "moved"},
            {**on_four, "num_steps": MORE_STEPS, "result": "more"},
            {**on_one, "num_steps": MORE_STEPS, "result": "more"},
            {**on_two, "num_steps": MORE_STEPS, "result": "back"},
        )
    )
    assert said.count("Resuming") == 5
    for workdir in (one, two):
        before, after = final(workdir), final(workdir, "moved")
        assert all(after[leaf].tobytes() == before[leaf].tobytes() for leaf in before)
    before, after = final(one, "more"), final(one, "back")
    assert all(after[leaf].tobytes() == before[leaf].tobytes() for leaf in before)
    np.testing.assert_allclose(losses(two), losses(one), atol=1e-5)
    assert len(losses(two)) == MORE_STEPS


def test_a_signal_at_one_process_stops_both_at_the_same_step(tmp_path):
    first, second = start_both(tmp_path, kill_at=2, kill_by="SIGTERM")
    said = [process.communicate(timeout=150)[1] for process in (first, second)]
    assert [first.returncode, second.returncode] == [training.EXIT_SAVED] * 2, said
    newest = training.find_checkpoint(tmp_path)
    step = training.read_meta(newest).step
    assert 0 < step < NUM_STEPS
    assert f"Interrupted; saved at step {step}." in said[0]
    assert len(losses(tmp_path)) == step


def test_all_devices_of_all_processes_share_the_rows():
    where, module = f"127.0.0.1:{free_port()}", "tests.training.processes.rows_of_processes"
    both = [start(2, [where, 2, number], module=module) for number in range(2)]
    said = [finish(process) for process in both]
    assert "--mesh=data:4: 2 rows of a batch on each of 4 devices" in said[0]
    assert "--mesh" not in said[1]


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("os.abort()", True),
        ("os.kill(os.getpid(), signal.SIGKILL)", True),
        ("os.kill(0, signal.SIGTERM)", True),
        ("pass", False),
        ("sys.exit(2)", False),
        ("loss_message.cancel_loss_message(); os._exit(69)", False),
    ],
)
def test_a_process_that_ends_without_a_word_gets_one(end, told):
    program = (
        f"import os, signal, sys\nsys.path.insert(0, {FOLDER!r})\nimport loss_message\n"
        f"loss_message.print_message_if_lost()\n{end}\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert (loss_message.TEXT in ended.stderr) == told


FAILING = """
import sys, time
from experiments import cli
from rnnjax import training
from rnnjax.errors import UserError

cli.SECONDS_FOR_OTHERS = 1
with cli.plain_errors():
    training.processes.join(sys.argv[1], 2, int(sys.argv[2]), timeout=60)
    if sys.argv[2] == "1":
        raise UserError("no data on this machine")
    time.sleep(60)
"""


def test_a_process_that_fails_does_not_wait_for_those_that_wait_for_it():
    where = f"127.0.0.1:{free_port()}"
    first, second = (python("-c", FAILING, where, number) for number in range(2))
    _, said = second.communicate(timeout=30)
    assert (second.returncode, first.poll()) == (2, None), said
    assert said.endswith("error: no data on this machine\n")
    first.kill()
    first.communicate()


REPORTING = """
import sys, time
from experiments import char_lm
from rnnjax import training

training.write_report = lambda *_, **__: time.sleep(8)
char_lm.EXPERIMENT.main([
    "--preset=hello", "--config.num_steps=1", "--config.warmup_steps=0", "--lost_after=5",
    f"--workdir={sys.argv[1]}", f"--coordinator={sys.argv[2]}", "--num_processes=2",
    f"--process_id={sys.argv[3]}",
])
"""


def test_a_report_may_take_longer_than_the_patience_with_others(tmp_path):
    where = f"127.0.0.1:{free_port()}"
    both = [python("-c", REPORTING, tmp_path, where, number) for number in range(2)]
    said = [process.communicate(timeout=150)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said


def test_the_patience_with_others_has_a_lower_bound():
    with pytest.raises(UserError, match="--lost_after is 5 seconds or more; got 1"):
        group.join("here:1234", 2, 1, heartbeat=1)


def test_a_coordinator_that_is_not_there_is_named():
    where = f"127.0.0.1:{free_port()}"
    with pytest.raises(UserError, match=f"no coordinator answers at --coordinator={where} since 1"):
        group.join(where, 2, 1, timeout=1)


def test_a_port_in_use_is_told():
    with socket.socket() as server:
        server.bind(("", 0))
        server.listen()
        where = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserError, match=f"cannot listen at --coordinator={where}"):
            group.join(where, 2, 0, timeout=1)


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ((None, 2, None), "--num_processes goes with --coordinator=HOST:PORT"),
        (("auto", None, 1), "--process_id goes with --coordinator=HOST:PORT"),
        (("here:1234", 2, None), "--coordinator=here:1234 needs --process_id too"),
        (("here:1234", 2, 2), "--process_id lies in 0 .. 1 with --num_processes=2; got 2"),
        (("here", 2, 1), "--coordinator is written HOST:PORT; got 'here'"),
        (("here:65536", 2, 1), "--coordinator is written HOST:PORT"),
    ],
)
def test_flags_that_do_not_fit_together_are_refused(flags, complaint):
    with pytest.raises(UserError, match=complaint):
        group.join(*flags)


def test_processes_with_different_configs_all_stop(tmp_path):
    where = f"127.0.0.1:{free_port()}"
    command = [
        *("-m", "experiments.char_lm", "--preset=hello"),
        *(f"--workdir={tmp_path}", f"--coordinator={where}", "--num_processes=2"),
    ]
    both = [
        python(*command, f"--process_id={n}", f"--config.hidden_size={16 + n}") for n in range(2)
    ]
    for process in both:
        _, said = process.communicate(timeout=100)
        assert process.returncode == 2, said
        assert "do not agree, by hash:\n  config: unlike process 0: 1\n" in said
        assert "--mesh" not in said.split("hash:")[1].split("Start all")[0]


def test_the_code_version_sees_a_changed_line_and_a_moved_file(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    before = training.code_version(tmp_path)
    assert training.code_version(tmp_path) == before
    (tmp_path / "a.py").write_text("x = 2")
    changed = training.code_version(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({str(v) for v in (before, changed, training.code_version(tmp_path))}) == 3
