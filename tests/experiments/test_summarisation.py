"""Summarisation from the command line: training, resuming, evaluation, prediction, inspection."""

import json
import re

import pytest

import rnnjax
from experiments.summarisation import EXPERIMENT
from tests.experiments.conftest import of_split

NAMES = ["anna", "bert", "carl", "dora", "emil", "fred", "gina", "hans"]
BODIES = [f"please write to {name} today" for name in NAMES]
SUMMARIES = [f"about {name}" for name in NAMES]
SMALL = [
    "--config.min_count=4", "--config.cell=gru", "--config.hidden_size=16",
    "--config.embed_size=8", "--config.attention_size=8", "--config.batch_size=8",
    "--config.num_buckets=1", "--config.warmup_steps=0", "--config.average=none",
    "--config.log_every=1", "--config.dropout=0", "--config.coverage=0.1",
]  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Parallel files; each name is rare, so that it can only be copied."""
    folder = tmp_path_factory.mktemp("pairs")
    for split, rows in (("train", slice(6)), ("val", slice(6, 8)), ("test", slice(6, 8))):
        for ending, lines in (("body", BODIES), ("title", SUMMARIES)):
            (folder / f"{split}.{ending}").write_text("\n".join(lines[rows]) + "\n")
    return folder


@pytest.fixture(scope="module")
def flags(corpus):
    return [f"--config.data={corpus}", "--config.source=body", "--config.target=title", *SMALL]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, flags):
    """The workdir of a short training; not to be changed but for what modes write."""
    workdir = tmp_path_factory.mktemp("trained") / "summarisation"
    EXPERIMENT.main([
        f"--workdir={workdir}", *flags, "--config.num_steps=150", "--config.learning_rate=0.02",
        "--config.eval_every=75",
    ])  # fmt: skip
    return workdir


def test_names_that_no_one_knows_are_copied_and_the_report_shows_it(trained):
    rows = of_split(trained, "valid")
    assert [row["step"] for row in rows] == [75, 150]
    assert rows[-1]["rouge1"] == 100
    page = (trained / "report.html").read_text()
    assert "about gina" in page
    assert re.search(r"(?s)validation: rouge1 100\.00.*test: rouge1 100\.00", page)
    assert 'alt="Attention and copies, test"' in page
    shown = of_split(trained, "sample")[-1]["text"].splitlines()
    assert shown[0].endswith(" -> about gina (reference: about gina)")
    scores = json.loads((trained / "scores_test.json").read_text())
    assert scores["rouge2"] == 100
    # The first two words of each body have none of the summary's.
    assert scores["lead"] == {"rouge1": 0, "rouge2": 0, "rougeL": 0}


def test_modes_use_what_was_trained(run, trained, tmp_path):
    scored = run(trained, "--mode=evaluate", "--split=validation")
    assert (
        "validation: rouge1 100.00, rouge2 100.00, rougeL 100.00 (F1, %, beam of 4), 2 texts"
        in scored.out
    )
    assert (trained / "summaries_validation.txt").read_text() == "about gina\nabout hans\n"
    given, output = tmp_path / "in.txt", tmp_path / "out.txt"
    given.write_text("please write to Xerxes today\n\nplease write to gina today\n")
    written = run(trained, "--mode=predict", f"--input={given}", f"--output={output}")
    assert output.read_text() == "about xerxes\n\nabout gina\n"
    assert "are longer than" not in written.err
    long = run(trained, "--mode=predict", "--text=gina", f"--text={'gina ' * 100}")
    assert "1 of 2 texts are longer than 80 symbols and cut" in long.err
    run(trained, "--mode=inspect")
    page = (trained / "inspect.html").read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == ["Spread over the split", "Best", "Worst"]
    (found,) = rnnjax.load(trained).summarize(["please write to Ymir today"])
    assert found.symbols == ("about", "ymir")
    assert found.source[found.attention[1].argmax()] == "ymir"
    assert found.copied[1] > 0.9 > 0.5 > found.copied[0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--mode=predict"], "mode predict takes --text=TEXT"),
        (["--mode=predict", "--text= "], "nothing to summarise: --text has no word"),
        (["--mode=evaluate", "--config.level=subword"], "was trained with --config.level=word"),
        (["--mode=evaluate", "--config.data=no/where"], "no/where does not exist"),
    ],
)
def test_mistakes_are_told_in_a_line(refuses, trained, given, words):
    refuses(words, trained, *given)
