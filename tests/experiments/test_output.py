"""Where results go: to stdout, whoever reads it, and progress to stderr."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HELLO = ["-m", "experiments.char_lm", "--preset=hello", "--config.num_steps=20"]


def test_results_go_to_stdout_and_progress_to_stderr(char_lm_command, tmp_path):
    result = char_lm_command(*HELLO[2:], f"--workdir={tmp_path}")
    assert result.code == 0
    assert r"Samples: prompt 'h', temperature 0.8, seed 0:" in result.out
    assert result.out.rstrip().endswith(f"Report: {tmp_path / 'report.html'}")
    assert "step 20" in result.err
    assert "Samples:" not in result.err


@pytest.mark.parametrize(("stdout", "code"), [("closed", 141), ("full", 2)])
@pytest.mark.parametrize(
    "line",
    [
        ["experiments.char_lm", "--mode=sample", "--prompt=h", "--length=5"],
        ["experiments.char_lm", "--help"],
        ["experiments"],
    ],
)
def test_output_that_nobody_reads_and_that_fits_nowhere(trained_hello, line, stdout, code):
    if stdout == "full" and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    if stdout == "closed":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open("/dev/full", os.O_WRONLY)
    if "--mode=sample" in line:
        line = [*line, f"--workdir={trained_hello}"]
    done = subprocess.run(
        [sys.executable, "-m", *line],
        cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writer)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert ("No space left" in done.stderr) == (stdout == "full")


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
