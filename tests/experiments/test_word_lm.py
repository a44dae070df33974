"""The word language model from the command line."""

import math
import re

import pytest

import rnnjax
from experiments import word_lm
from experiments.options import ScoringOptions
from tests.experiments.conftest import assert_told, command, of_split

SENTENCES = ["the cat sat on the mat .", "a dog ran to the door .", "the old man saw a cat .",
             "the dog saw the old cat ."]  # fmt: skip


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    for name, count in (("train", 12), ("valid", 2)):
        (folder / f"{name}.txt").write_text("\n".join(SENTENCES * count) + "\n")
    return folder


@pytest.fixture(scope="module")
def flags(text):
    return [
        f"--config.data={text}", "--config.hidden_size=16", "--config.embed_size=16",
        "--config.window=8", "--config.batch_size=4", "--config.learning_rate=0.02",
        "--config.input_dropout=0", "--config.dropout=0.1", "--config.average=none",
        "--config.eval_every=60", "--config.log_every=20", "--config.warmup_steps=0",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory, flags):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "words"
    word_lm.EXPERIMENT.main([f"--workdir={workdir}", "--config.num_steps=120", *flags])
    return workdir


def run(capsys, workdir, *flags):
    return command(capsys, word_lm, f"--workdir={workdir}", *flags)


def test_training_learns_the_sentences(trained, capsys):
    first, *_, last = of_split(trained, "train")
    assert last["loss"] < 1 < first["loss"]
    result = run(capsys, trained, "--mode=evaluate")
    best = min(row["loss"] for row in of_split(trained, "valid"))
    found = re.match(r"validation: perplexity ([\d.]+) \(([\d.]+) nats/word\)", result.out)
    assert float(found[2]) == pytest.approx(best, abs=1e-3)
    assert float(found[1]) == pytest.approx(math.exp(best), abs=0.01)
    assert "Frequent words" in (trained / "report.html").read_text()


def test_candidates_are_told_apart(trained, capsys):
    result = run(capsys, trained, "--mode=score", "--text=cat the sat mat the on .",
                 "--text=the cat sat on the mat .")  # fmt: skip
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[1].startswith("  *")
    assert lines[1].endswith("the cat sat on the mat .")


def test_samples_go_on_from_the_prompt(trained, capsys):
    result = run(capsys, trained, "--mode=sample", "--prompt=the old", "--num_samples=3")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("the old ") for line in lines)
    writer = rnnjax.load(trained)
    assert lines == writer.write("the old", num_samples=3, seed=[1, 2, 3])
    assert lines[1:2] == writer.write("the old", num_samples=1, seed=[2])


def test_inspection_colours_each_word_by_its_surprise(trained, capsys, tmp_path):
    result = run(capsys, trained, "--mode=inspect")
    assert result.code == 0, result.err
    page = (trained / "inspect.html").read_text()
    (score,) = rnnjax.load(trained).score(SENTENCES[:1])
    bits = -score.log_probability / math.log(2)
    for word, value in zip(score.words, bits, strict=False):
        assert f'title="p = {2**-value:.3g}, {value:.1f} bits">{word} <' in page


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--mode=score"], "nothing to score: give --text=TEXT"),
        (["--mode=sample", "--prompt=the zebra"], "the training text lacks: ['zebra']"),
        (["--mode=sample", "--num_samples=0"], "num_samples is 1 or more; got 0"),
        (["--mode=evaluate", "--split=tset"], "unknown --split=tset"),
        (["--mode=evaluate", "--split=test"], "no test split: choose --split among train, valid"),
        (["--mode=sample", "--temperature=inf"], "temperature is 0 or more, and finite; got inf"),
        (["--mode=sample", "--temperature=1e300"], "temperature is 0 or more, and finite"),
        (["--mode=evaluate", "--cache_lambda=1"], "--cache_lambda lies in [0, 1); got 1.0"),
        (["--mode=evaluate", "--cache_theta=nan"], "--cache_theta is 0 or more; got nan"),
        (["--mode=evaluate", "--cache_size=-1"], "--cache_size is 0 or more; got -1"),
        (["--config.tied=true", "--config.embed_size=8"], "to be equal with one layer"),
        (["--config.cell=mingru", "--config.weight_drop=0.1"], "give weight_drop=0"),
        (["--config.average=ntasgd", "--config.eval_every=0"], "ntasgd needs evaluations"),
        (["--config.min_count=99"], "no word stands 99 times"),
    ],
)
def test_mistakes_are_told_in_a_line(trained, flags, capsys, tmp_path, wrong, words):
    workdir = trained if wrong[0].startswith("--mode") else tmp_path / "new"
    assert_told(run(capsys, workdir, *([] if workdir == trained else flags), *wrong), words)


def test_only_a_line_end_ends_a_text_of_a_file(tmp_path):
    (tmp_path / "texts.txt").write_text("a \x85 b\u2028c\r\n\nd\n", newline="")
    options = ScoringOptions(text_file=str(tmp_path / "texts.txt"))
    assert options.texts_to_score("utf-8") == ["a \x85 b\u2028c", "d"]


def test_a_file_without_sentences_is_named(trained, tmp_path, capsys):
    (tmp_path / "none.txt").write_text("\n \n")
    told = run(capsys, trained, "--mode=score", f"--text_file={tmp_path / 'none.txt'}")
    assert_told(told, f"nothing to score: {tmp_path / 'none.txt'} has no word")


@pytest.mark.usefixtures("no_report")
def test_the_whole_recipe_of_any_cell_goes_on_where_it_was_stopped(tmp_path, text, capsys):
    """Its layers are of two sizes; weight drop of a cell without w_hh is left out in a line."""
    recipe = {
        "hidden_size": 16, "embed_size": 12, "num_layers": 2, "window": 8, "batch_size": 4,
        "cell": "mingru", "eval_every": 2, "average_patience": 0, "learning_rate": 1, "data": text,
    }  # fmt: skip
    flags = ["--preset=awd", *(f"--config.{name}={value}" for name, value in recipe.items())]
    for folder, lengths in (("straight", [8]), ("stopped", [6, 8])):
        for length in lengths:
            result = run(capsys, tmp_path / folder, *flags, f"--config.num_steps={length}")
            assert result.code == 0, result.err
            assert "Weight drop does not apply: cell mingru has no recurrent matrix" in result.err
    rows = [of_split(tmp_path / folder, "valid")[-1] for folder in ("straight", "stopped")]
    assert rows[0]["loss"] == rows[1]["loss"]
    result = run(capsys, tmp_path / "stopped", "--mode=evaluate", "--cache_size=9")
    assert result.code == 0, result.err
    losses = [float(nats) for nats in re.findall(r"\(([\d.]+) nats/word\)", result.out)]
    assert len(losses) == 3
    assert losses[0] == pytest.approx(losses[1], abs=0.1)  # more rows begin without context
    assert losses[2] != losses[1]
