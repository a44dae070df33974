"""What a user can get wrong: one clear message, exit code 2, nothing overwritten."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from experiments import cli
from rnnjax import training
from rnnjax.training import atomic_files
from tests.experiments.conftest import assert_told, contents, message

ROOT = Path(__file__).parents[2]
SMALL = ["--config.window=5", "--config.batch_size=4", "--config.hidden_size=4"]


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--preset=helo"], "unknown --preset=helo; did you mean 'hello'? Valid: default, hello"),
        (["--mode=sampel"], "unknown --mode=sampel; did you mean 'sample'?"),
        (["--config.cell=lsmt"], "unknown --config.cell=lsmt; did you mean 'lstm'?"),
        (["--config.data=embeded"], "unknown data source 'embeded': did you mean 'embedded'?"),
        (["--config.optimizer=adan"], "did you mean 'adam'?"),
        (["--config.schedule=cosin"], "did you mean 'cosine'?"),
        (["--config.level=bytes"], "did you mean 'byte'?"),
        (["--config.compute_dtype=float16"], "Valid: bfloat16, float32"),
        (["--config.hiden_size=4"], "Did you mean --config.hidden_size?"),
        (["--presett=hello"], "Did you mean --preset?"),
        (["--hidden-size=4"], "line flag 'hidden-size'. Did you mean --config.hidden_size? --help"),
        (["--config.preset=hello"], "Did you mean --preset?"),
        (["--config.lr=1"], "Did you mean --config.learning_rate?"),
        (["--steps=1"], "Did you mean --config.num_steps?"),
        (["--xyzzy=1"], "error: Unknown command line flag 'xyzzy'. --help lists all flags."),
        (["--seed=3"], "--seed is for mode sample, not train; that of the training is --config.s"),
        (["--text=hello"], "--text is for mode score or inspect, not train\n"),
        (["--config.hidden_size=big"], "--config.hidden_size=big: takes a whole number"),
        (["--config.hidden_size=1.5"], "--config.hidden_size=1.5: takes a whole number"),
        (["--config.learning_rate=fast"], "--config.learning_rate=fast: takes a number"),
        (["--config.learning_rate=nan"], "--config.learning_rate is above 0; got nan"),
        (["--config.dropout=1"], "--config.dropout lies in [0, 1); got 1"),
        (["--config.hidden_size=0"], "--config.hidden_size is 1 or more; got 0"),
        (["--config.bptt=3", "--config.window=64"], "--config.bptt=3 is below --config.window=64"),
        (["--config.data="], "--config.data is empty: give a value, or leave the flag out"),
        (["--mesh="], "--mesh is empty: give a value"),
        (["--restore_from="], "--restore_from is empty: give a value"),
        (["--config.average_start=3000000000"], "average_start is at most 2,147,483,647; got 3"),
        (["--config.seed=-9999999999"], "--config.seed is -2147483647 or more; got -9999999999"),
        (["--mode=sample", "--seed=9999999999"], "--seed is at most 2,147,483,647"),
        (["--config.data_workers=9999"], "--config.data_workers is at most 256; got 9999"),
        (["--config.encoding=utf9"], "unknown text encoding 'utf9'"),
        (["--workdir"], "Missing value for flag --workdir"),
        (["hello"], "unexpected argument 'hello'"),
        (["--restore_from=/no/such/run"], "No checkpoint in /no/such/run"),
        (["--config.valid_fraction=0"], "has no validation split: --config.valid_fraction above 0"),
        (["--config.num_steps=99999999999999999999"], "num_steps is at most 2,147,483,647"),
        (["--config.num_steps=5", "--config.warmup_steps=5"], "needs num_steps above warmup_steps"),
        (["--config.hidden_size=3000000"], "too little memory on this machine: parameters, gradi"),
    ],
)
def test_flags(tmp_path, char_lm_command, argv, told):
    workdir = ["--workdir", tmp_path / "run"] if argv != ["--workdir"] else []
    assert_told(char_lm_command(*workdir, *argv), told)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.\n more"),
        MemoryError("Unable to allocate 9 bytes"),
    ],
)
def test_too_little_memory(error, capsys):
    with pytest.raises(SystemExit) as ended, cli.plain_errors():
        raise error
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("error: too little memory on this device: ")
    assert "9 bytes. Lower --config.batch_size" in told
    assert told.count("\n") == 1


def test_other_errors_of_the_device_keep_their_traceback():
    with pytest.raises(jax.errors.JaxRuntimeError), cli.plain_errors():
        raise jax.errors.JaxRuntimeError("INTERNAL: a bug")


def test_one_of_a_run_of_several_processes_is_a_lost_process(monkeypatch, capsys):
    monkeypatch.setattr(training.processes, "count", lambda: 2)
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as ended, cli.plain_errors():
        raise jax.errors.JaxRuntimeError("UNKNOWN: Gloo AllGather failed\n more")
    assert ended.value.code == training.EXIT_LOST
    told = capsys.readouterr().err
    assert "was lost, or the network failed (UNKNOWN: Gloo AllGather failed).\nStart all" in told


def test_folders_that_were_there_stay_and_no_others(tmp_path, char_lm_command):
    for folder in (tmp_path, tmp_path / "new", tmp_path / "new/deeper"):
        message(char_lm_command(f"--workdir={folder}", "--config.data=nofile"))
        assert tmp_path.exists()
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--mode=sample", "--prompt=hé"], "--prompt has characters that the training text does"),
        (["--mode=sample", "--prompt="], "--prompt is empty: give a value"),
        (["--mode=sample", "--stop="], "a stop is empty: give at least one symbol"),
        (["--mode=sample", "--min_p=2"], "min_p lies in [0, 1]; got 2.0"),
        (["--mode=sample", "--stop=z"], "--stop has characters"),
        (["--mode=sample", "--temperature=-1"], "temperature is 0 or more"),
        (["--mode=sample", "--top_p=0"], "top_p lies in (0, 1]"),
        (["--mode=sample", "--num_samples=0"], "num_samples is 1 or more"),
        (["--mode=sample", "--length=0"], "length is 1 or more"),
        (["--mode=sample", "--preset=hello"], "--preset is for mode train"),
        (["--mode=sample", "--config.hidden_size=9"], "hello"),
        (["--mode=score"], "give --text=TEXT"),
        (["--mode=score", "--seed=3"], "--seed is for mode sample, not score\n"),
        (["--mode=score", "--text=häl"], "left out: 'häl', for the training text has no 'ä'"),
        (["--mode=score", "--text_file=/no/file"], "/no/file does not exist"),
        (["--mode=evaluate", "--split=valid"], "did you mean 'validation'?"),
        (["--mode=evaluate", "--eval_batch_size=0"], "batch_size is 1 or more"),
        (["--mode=evaluate", "--dynamic_learning_rate=-1"], "--dynamic_learning_rate is 0 or"),
        (
            ["--mode=evaluate", "--eval_batch_size=1", "--dynamic_learning_rate=1e38"],
            "take a lower",
        ),
        (["--mode=inspect", "--units=1,x"], "--units is a list such as 3,17"),
        (["--mode=inspect", "--units=16"], "--units lie in 0 .. 15; got 16"),
        (["--mode=inspect", "--layer=2"], "--layer lies in 1 .. 1; got 2"),
        (["--mode=inspect", "--text=hell"], "4 is too short to inspect: give --text=TEXT, 5"),
        (["--preset=hello", "--config.hidden_size=3"], "hidden_size is 16 there, 3 now"),
    ],
)
def test_a_trained_run_is_left_as_it_was(trained_hello, char_lm_command, argv, told):
    before = contents(trained_hello)
    assert told in message(char_lm_command(f"--workdir={trained_hello}", *argv))
    assert contents(trained_hello) == before


@pytest.mark.parametrize("mode", ["sample", "score", "evaluate", "inspect"])
def test_a_workdir_without_a_checkpoint(tmp_path, char_lm_command, mode):
    said = message(char_lm_command(f"--workdir={tmp_path}", f"--mode={mode}"))
    assert f"No checkpoint in {tmp_path}" in said


@pytest.mark.parametrize("mode", ["train", "sample"])
def test_a_workdir_of_another_experiment(hello, char_lm_command, mode):
    (hello / "experiment.json").write_text('{"experiment": "tagger"}')
    before = contents(hello)
    said = message(char_lm_command(f"--workdir={hello}", f"--mode={mode}"))
    assert "holds the experiment 'tagger', not 'char_lm': choose another workdir" in said
    assert contents(hello) == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("mode", ["train", "score", "inspect"])
def test_a_full_disk(hello, char_lm_command, monkeypatch, mode):
    """Training ends with an error; the other modes still print what they found."""
    before = contents(hello)

    def full(file, mode="r", *args, **options):
        return open("/dev/full" if "w" in mode else file, mode, *args, **options)

    monkeypatch.setattr(atomic_files, "open", full, raising=False)
    argv = {
        "train": ["--preset=hello", "--config.num_steps=210"],
        "score": ["--mode=score", "--text=hello"],
        "inspect": ["--mode=inspect", "--text=hello"],
    }
    result = char_lm_command(f"--workdir={hello}", *argv[mode])
    said = message(result) if mode == "train" else result.out
    assert "No space left on device" in said
    if mode == "score":
        assert re.search(r"^ +-\d+\.\d+ .* hello$", said, re.M)
    if mode == "inspect":
        assert re.search(r"^gradient \d+ steps back: ", said, re.M)
    monkeypatch.undo()
    assert contents(hello) == before


def test_a_read_only_workdir(trained_hello, char_lm_command, monkeypatch):
    before = contents(trained_hello)

    def refuse(file, mode="r", *args, **options):
        if "w" in mode:
            raise PermissionError(errno.EROFS, "Read-only file system", str(file))
        return open(file, mode, *args, **options)

    monkeypatch.setattr(atomic_files, "open", refuse, raising=False)
    said = message(
        char_lm_command(f"--workdir={trained_hello}", "--preset=hello", "--config.num_steps=210")
    )
    assert "Read-only file system" in said
    assert contents(trained_hello) == before


def test_a_vocabulary_of_the_other_level(trained_hello, tmp_path, char_lm_command):
    said = message(
        char_lm_command(
            f"--workdir={tmp_path}", f"--restore_from={trained_hello}", "--config.level=byte"
        )
    )
    assert "was trained with --config.level=char, not byte" in said


def test_the_real_command_prints_one_line_and_no_traceback(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "experiments.char_lm", f"--workdir={tmp_path}", "--mode=evaluat"],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "error: unknown --mode=evaluat; did you mean 'evaluate'? "
        "Valid: evaluate, export, inspect, sample, score, train."
    ]


@pytest.mark.usefixtures("no_report")
def test_another_text_is_not_resumed_and_what_it_has_unknown_is_told(tmp_path, char_lm_command):
    path, workdir = tmp_path / "text.txt", f"--workdir={tmp_path / 'run'}"
    path.write_text("the quick brown fox " * 30)
    train = [workdir, f"--config.data={path}", "--config.num_steps=2", *SMALL]
    assert char_lm_command(*train).code == 0
    before = contents(tmp_path / "run")
    path.write_text("the quick brown fix " * 30)
    said = message(char_lm_command(*train))
    assert f"the data of {path} are not those that the run in" in said
    assert contents(tmp_path / "run") == before
    path.write_text("the quick brown fox " * 27 + "The quick brown fox!" * 3)
    found = char_lm_command(workdir, "--mode=evaluate")
    assert found.code == 0
    assert found.out.rstrip().endswith("(6 of them unknown to the vocabulary)")
