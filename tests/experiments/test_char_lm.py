"""The character language model from the command line: every mode, on the smallest preset."""

import os
import re
from pathlib import Path

import pytest

import rnnjax
from rnnjax import training

ROOT = Path(__file__).parents[2]


def loss_in(text):
    return float(re.search(r"([\d.]+) nats/char", text).group(1))


def params_of(workdir, which="latest"):
    return training.restore_params(workdir, which=which, averaged=False)


def test_gpus_are_made_deterministic_before_anything_runs(tmp_path, char_lm_command, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")
    char_lm_command("--preset=none", f"--workdir={tmp_path}")
    assert os.environ["XLA_FLAGS"] == "--xla_gpu_deterministic_ops=true"


@pytest.mark.usefixtures("no_report")
def test_processes_compare_their_data(char_lm_command, tmp_path, monkeypatch):
    compared = {}
    monkeypatch.setattr(training, "check_agreement", compared.update)
    flags = ["--preset=hello", "--config.num_steps=1", "--config.warmup_steps=0"]
    assert char_lm_command(f"--workdir={tmp_path}", *flags).code == 0
    assert compared["data"] == training.read_meta(tmp_path).extra
    assert {"vocabulary", "corpus"} <= compared["data"].keys()


def test_training_learns_hello_and_reports_it(trained_hello):
    report = (trained_hello / "report.html").read_text()
    assert report.count("<b>[") == 4  # The target of each of the four steps is marked.
    assert '<td class="number">200</td><td class="text">hello' in report  # a sample
    assert "\nhello\n" in report
    assert min(
        row["loss"] for row in training.read_metrics(trained_hello) if row["split"] == "valid"
    ) < 0.02  # fmt: skip


def test_sampling_goes_on_from_a_prompt(trained_hello, char_lm_command):
    workdir = f"--workdir={trained_hello}"
    result = char_lm_command(
        workdir, "--mode=sample", "--length=4", "--temperature=0", "--num_samples=2"
    )
    lines = result.out.splitlines()
    assert (lines[0], lines[2]) == ("hello", "hello")
    stopped = char_lm_command(
        workdir, "--mode=sample", "--prompt=he", "--stop=l", "--temperature=0", "--num_samples=1"
    )
    assert stopped.out == "hel\n"


def test_scores_compare_texts(hello, char_lm_command):
    (hello / "texts").write_text("hlelo\n\nhello\n")
    result = char_lm_command(
        f"--workdir={hello}", "--mode=score", f"--text_file={hello / 'texts'}", "--text=hell"
    )
    rows = [line.split() for line in result.out.splitlines() if line.endswith(("lo", "hell"))]
    assert [row[-1] for row in rows][-1] == "hlelo"
    assert [row[0] for row in rows][1:] == [row[0].lstrip("*") for row in rows][1:]
    assert result.out.splitlines()[1].startswith("*")
    assert "first character of each text has no score" in result.out
    (total,) = (one.total for one in rnnjax.load(hello).score(["hello"]))
    (told,) = [row for row in rows if row[-1] == "hello"]
    assert float(told[-5].lstrip("*")) == pytest.approx(total, abs=5e-4)
    assert told[-2] == "4"
    # The validation split is made of the same word, so its loss is the word's.
    evaluated = char_lm_command(f"--workdir={hello}", "--mode=evaluate")
    assert loss_in(evaluated.out) == pytest.approx(-total / 4, abs=1e-4)
    page = (hello / "score.html").read_text()
    assert page.count(" bits") >= 4
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)


def test_a_prompt_is_read_before_each_text(hello, char_lm_command):
    (whole,) = rnnjax.load(hello).score(["hello"])
    told = char_lm_command(f"--workdir={hello}", "--mode=score", "--text=llo", "--prompt=he").out
    rest = float(told.splitlines()[1].split()[0])
    assert rest == pytest.approx(whole.log_probability[2:].sum(), abs=5e-4)


def test_evaluation_that_learns_on_the_way_is_better(hello, char_lm_command):
    argv = [f"--workdir={hello}", "--mode=evaluate", "--eval_batch_size=1", "--split=train"]
    static = char_lm_command(*argv)
    dynamic = char_lm_command(*argv, "--dynamic_learning_rate=3")
    assert loss_in(dynamic.out) < loss_in(static.out)
    assert loss_in(char_lm_command(*argv).out) == loss_in(static.out)
    assert "over 144 chars" in static.out


def test_inspection_draws_units_gates_and_gradients(hello, char_lm_command):
    result = char_lm_command(
        f"--workdir={hello}", "--mode=inspect", "--text=hellohello", "--units=3,0"
    )
    assert result.code == 0, result.err
    assert [name in result.out for name in ("gate i", "gate f", "gate o")] == [True] * 3
    page = (hello / "inspect.html").read_text()
    assert page.index("layer 1, unit 3") < page.index("layer 1, unit 0")
    assert page.count(' title="') == 2 * len("hellohello")
    assert page.count("data:image/png") == 2
    for name in ("units", "saturation", "gradient"):
        assert (hello / f"inspect_{name}.png").read_bytes().startswith(b"\x89PNG")
    automatic = char_lm_command(f"--workdir={hello}", "--mode=inspect")
    assert re.search(r"units (\d+,){5}\d+:", automatic.out)


@pytest.mark.usefixtures("no_report")
def test_a_run_restored_from_another_starts_with_its_scores(
    trained_hello, tmp_path, char_lm_command
):
    """The new text lacks letters of the old one, whose vocabulary stays."""
    source = char_lm_command(f"--workdir={trained_hello}", "--mode=evaluate")
    text = tmp_path / "text.txt"
    text.write_text("hole" * 30)
    same = ["--config.window=5", "--config.batch_size=4", "--config.hidden_size=16"]
    same += ["--config.embed_size=4", "--config.learning_rate=1e-30", "--config.num_steps=1"]
    same += ["--config.warmup_steps=0", "--config.dropout=0"]
    new = char_lm_command(
        f"--workdir={tmp_path / 'new'}", f"--restore_from={trained_hello}",
        "--config.data=hello", *same,
    )  # fmt: skip
    assert new.code == 0, new.err
    evaluated = char_lm_command(f"--workdir={tmp_path / 'new'}", "--mode=evaluate")
    assert evaluated.out == source.out
    other = char_lm_command(
        f"--workdir={tmp_path / 'other'}", f"--restore_from={trained_hello}",
        f"--config.data={text}", *same,
    )  # fmt: skip
    assert other.code == 0, other.err
    assert "vocabulary of 5" in other.err
    again = char_lm_command(
        f"--workdir={tmp_path / 'other'}", f"--restore_from={trained_hello}",
        f"--config.data={text}", *same,
    )  # fmt: skip
    assert "has its own checkpoints: --restore_from is ignored" in again.err
