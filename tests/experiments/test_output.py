"""Where results go: to stdout, whoever reads it, and progress to stderr."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import char_lm, cli

ROOT = Path(__file__).parents[2]
HELLO = ["-m", "experiments.char_lm", "--preset=hello", "--config.num_steps=20"]


def test_results_go_to_stdout_and_progress_to_stderr(char_lm_command, tmp_path):
    result = char_lm_command(*HELLO[2:], f"--workdir={tmp_path}")
    assert result.code == 0
    assert r"Samples: prompt 'h', temperature 0.8, seed 0:" in result.out
    assert result.out.rstrip().endswith(f"Report: {tmp_path / 'report.html'}")
    assert "step 20" in result.err
    assert "Samples:" not in result.err


@pytest.fixture(params=["closed", "full"])
def output(request):
    """A file that nobody reads, or that has no room; the code of a command that writes to it."""
    if request.param == "full" and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    reader, writer = os.pipe() if request.param == "closed" else (os.open(os.devnull, 0), None)
    os.close(reader)
    with open("/dev/full" if writer is None else writer, "w") as file:
        yield file, {"closed": 141, "full": 2}[request.param]


def check(output, code, err):
    assert code == output[1], err
    assert "Traceback" not in err
    assert ("No space left" in err) == (code == 2)


def test_a_character_that_the_terminal_cannot_show_is_escaped(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    with cli.plain_errors():
        print("né")
    assert sys.stdout.buffer.getvalue() == b"n\\xe9\n"


def test_output_that_nobody_reads_and_that_fits_nowhere(output):
    done = subprocess.run(
        [sys.executable, "-m", "experiments"],
        cwd=ROOT, stdout=output[0], stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    check(output, done.returncode, done.stderr)


@pytest.mark.parametrize("flags", [["--mode=sample", "--prompt=h", "--length=5"], ["--help"]])
def test_output_of_an_experiment_is_lost(output, flags, trained_hello, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", output[0])
    with pytest.raises(SystemExit) as ended:
        char_lm.EXPERIMENT.main([f"--workdir={trained_hello}", *flags])
    check(output, ended.value.code, capsys.readouterr().err)


def test_texts_with_unknown_characters_are_named_and_the_others_scored(
    trained_hello, char_lm_command, tmp_path
):
    flags = [f"--workdir={trained_hello}", "--mode=score", "--text=hello", "--text=h\u00e9llo"]
    result = char_lm_command(*flags)
    assert result.code == 0
    assert "left out: 'h\u00e9llo', for the training text has no '\u00e9'" in result.out
    assert " hello\n" in result.out
    both = char_lm_command(*flags, "--unknown")
    assert both.code == 0
    assert "h\u00e9llo" in both.out
    assert "left out" not in both.out
    none = char_lm_command(*flags[:2], "--text=\u00e9")
    assert none.code == 2
    assert "nothing to score: left out: '\u00e9'" in none.err


def test_texts_come_in_by_stdin(trained_hello, char_lm_command, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hello\nhell\n")))
    result = char_lm_command(f"--workdir={trained_hello}", "--mode=score", "--text_file=-")
    assert result.code == 0
    assert [line.split()[-1] for line in result.out.splitlines()[1:3]] == ["hell", "hello"]


def test_sentences_come_in_by_stdin(trained_ner, ner_command, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Marie Curie left.\n")))
    piped = ner_command(f"--workdir={trained_ner}", "--mode=predict", "--input=-")
    given = ner_command(f"--workdir={trained_ner}", "--mode=predict", "--text=Marie Curie left.")
    assert piped.code == 0
    assert piped.out == given.out


@pytest.mark.usefixtures("no_report")
def test_a_relative_path_of_a_run_says_whose_it_is(char_lm_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("the quick brown fox " * 20)
    small = ["--config.window=5", "--config.batch_size=4", "--config.hidden_size=4"]
    line = ["--config.data=text.txt", "--config.num_steps=2", *small, "--workdir=run"]
    assert char_lm_command(*line).code == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    result = char_lm_command("--workdir=../run", "--mode=evaluate")
    assert result.code == 2
    assert "text.txt is what the run in ../run was trained on" in result.err
    assert "--config.data=PATH gives another path" in result.err
    there = char_lm_command("--workdir=../run", "--mode=evaluate", "--config.data=../text.txt")
    assert there.code == 0
    wrong = char_lm_command("--workdir=../run", "--mode=evaluate", "--config.data=../txt.txt")
    assert "../txt.txt does not exist" in wrong.err
    assert "was trained on" not in wrong.err
