"""Predictions and scores as files and as lines for the terminal."""

import json
from types import SimpleNamespace

import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.tagging.reports import (
    WRITERS,
    report_inspection,
    report_predictions,
    report_scores,
)
from rnnjax.tasks.tagging.sentences import TaggedSentence
from rnnjax.tasks.tagging.text_tagger import TextTagger
from rnnjax.training.atomic_files import check_output

TAGGED = [
    TaggedSentence(
        ("Ada", "left", "Bonn"),
        ("B-PER", "O", "B-LOC"),
        "a:1",
        scores=(0.5, 0.25),
        gold=("B-PER", "O", "O"),
    ),
    TaggedSentence(("Emmy", "stayed"), ("O", "O"), "a:5", scores=(), gold=("B-PER", "O")),
]


def test_predictions_for_the_terminal_are_json_lines():
    text = report_predictions(TAGGED, None)
    first, second = map(json.loads, text.splitlines())
    assert not text.endswith("\n")
    assert [(e["text"], e["type"], e["score"]) for e in first["entities"]] == [
        ("Ada", "PER", 0.5), ("Bonn", "LOC", 0.25),
    ]  # fmt: skip
    assert second == {"tokens": ["Emmy", "stayed"], "entities": []}


@pytest.mark.parametrize(
    ("suffix", "holds"),
    [
        (".conll", "Ada\tB-PER\tB-PER\nleft\tO\tO\nBonn\tO\tB-LOC\n\nEmmy\tB-PER\tO\n"),
        (".jsonl", '{"tokens": ["Emmy", "stayed"], "entities": []}\n'),
        (".html", 'data-type="LOC" title="LOC\xa025.0%">Bonn</mark>'),
    ],
)
def test_the_suffix_decides_how_predictions_are_written(tmp_path, suffix, holds):
    path = tmp_path / f"out{suffix}"
    assert report_predictions(TAGGED, str(path)) == f"2 sentences: {path}"
    assert holds in path.read_text()


@pytest.mark.parametrize("name", ["out.csv", "out", "out.conll.gz"])
def test_another_suffix(tmp_path, name):
    with pytest.raises(UserError, match=r"has an unknown ending; .*Valid: .conll, .html, .jsonl."):
        report_predictions(TAGGED, str(tmp_path / name))
    assert not list(tmp_path.iterdir())
    assert [check_output(str(tmp_path / f"y{suffix}"), WRITERS) for suffix in WRITERS] == list(
        WRITERS
    )


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(
        UserError, match=r"--output=.*nowhere/out\.html: there is no folder .*nowhere"
    ):
        check_output(str(tmp_path / "nowhere" / "out.html"), WRITERS)
    with pytest.raises(UserError, match=r"--output=.* is a folder, not a file"):
        check_output(str(tmp_path))


def test_scores_are_written_and_shown(tmp_path):
    tagger = SimpleNamespace(tag=lambda sentences: sentences)
    table, (shown, errors) = report_scores(tagger, {"dev": TAGGED}, "dev", tmp_path)
    assert table.startswith("dev, 2 sentences:\n")
    assert table.splitlines()[-3].split() == ["all", "(micro)", "50.00", "50.00", "50.00", "2"]
    scores = json.loads((tmp_path / "scores_dev.json").read_text())
    assert scores["split"] == "dev"
    assert scores["micro"] == {"precision": 50, "recall": 50, "f1": 50, "support": 2}
    assert scores["types"]["PER"] == {
        "precision": 100, "recall": 50, "f1": pytest.approx(200 / 3), "support": 2
    }  # fmt: skip
    assert scores["types"]["LOC"]["precision"] == 0
    assert scores["token_accuracy"] == pytest.approx(60)
    assert shown.title == "dev"
    assert "50.00" in shown.html
    assert errors.html.index("Bonn") < errors.html.index("Emmy")


def test_without_a_crf_there_are_no_transitions_to_draw(tmp_path):
    tagger = TextTagger(SimpleNamespace(crf=None), None)
    said = report_inspection(tagger, TAGGED, "dev", tmp_path)
    assert said == f"2 of 2 sentences of dev have an error: {tmp_path / 'inspect.html'}"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "inspect.html", "inspect_confusion.png",
    ]  # fmt: skip
    assert (tmp_path / "inspect_confusion.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "inspect.html").read_text()
    assert page.count("data:image/png") == 1
    assert "Transitions" not in page
