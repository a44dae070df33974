"""The tagger of named entities from the command line: every mode, on a dozen sentences."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import training
from rnnjax.tasks.tagging.conll import read_conll
from rnnjax.tasks.tagging.corpora import read_inline
from rnnjax.tasks.tagging.schemes import spans_of
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.tagger import tag
from tests.experiments.conftest import SENTENCES, SMALL_TAGGER, of_split

PLAIN = re.compile(r"\[([^|]*)\|\w+\]")


def plain(lines):
    """Sentences without their marks."""
    return [PLAIN.sub(r"\1", line) for line in lines.splitlines() if line]


def table(text):
    """{first word of a row: precision, recall, F1, entities} of a table of scores."""
    rows = re.findall(r"^(\w+)(?: \(\w+\))? +([\d.]+) +([\d.]+) +([\d.]+) +(\d+)$", text, re.M)
    return {name: tuple(map(float, numbers)) for name, *numbers in rows}


def entities(record):
    return [(entity["text"], entity["type"]) for entity in record["entities"]]


def vocabulary_of(workdir):
    return json.loads(training.read_meta(workdir).extra["vocabulary"])


def read_tags(path):
    read = read_inline if path.suffix == ".inline" else read_conll
    return [(sentence.tokens, sentence.tags) for sentence in read(str(path))]


def test_training_learns_sentences_by_heart_and_reports_it(trained_ner):
    rows = of_split(trained_ner, "valid")
    assert [row["step"] for row in rows] == [20, 40, 60]
    assert rows[-1]["f1"] == rows[-1]["precision"] == rows[-1]["recall"] == 100
    assert rows[-1]["loss"] < 0.2 < 2 < of_split(trained_ner, "train")[0]["loss"]
    page = (trained_ner / "report.html").read_text()
    assert re.search(r"validation F1\W.*?100\.00", page, re.S)
    assert page.index(">validation<") < page.index(">test<")
    assert json.loads((trained_ner / "scores_test.json").read_text())["split"] == "test"


def test_evaluation_of_the_sentences_that_it_knows(tagger_run, ner_command):
    result = ner_command(f"--workdir={tagger_run}", "--mode=evaluate", "--split=validation")
    assert result.out.startswith("validation, 12 sentences:\n")
    counts = {kind: SENTENCES.count(f"|{kind}]") for kind in ("LOC", "ORG", "PER")}
    perfect = {kind: (100, 100, 100, count) for kind, count in counts.items()}
    total = (100, 100, 100, sum(counts.values()))
    assert table(result.out) == {**perfect, "all": total, "types": total}
    scores = json.loads((tagger_run / "scores_validation.json").read_text())
    assert (scores["split"], scores["micro"]["f1"]) == ("validation", 100)


def test_evaluation_of_others_counts_what_prediction_finds(
    trained_ner, tagger_run, tagged_folder, ner_command
):
    """The scores of the test split, against entities predicted from its plain text."""
    marked = (tagged_folder / "test.inline").read_text()
    texts = plain(marked)
    predicted = ner_command(
        f"--workdir={tagger_run}", "--mode=predict", *(f"--text={text}" for text in texts)
    )
    found = [set(entities(json.loads(line))) for line in predicted.out.splitlines()]
    true = [set(re.findall(r"\[([^|]*)\|(\w+)\]", line)) for line in marked.splitlines()]
    right = sum(len(a & b) for a, b in zip(found, true, strict=True))
    num_found, num_true = (sum(map(len, sets)) for sets in (found, true))
    assert 0 < right < num_true
    result = ner_command(f"--workdir={tagger_run}", "--mode=evaluate")
    assert result.out.startswith("test, 3 sentences:\n")
    expected = (100 * right / num_found, 100 * right / num_true,
                200 * right / (num_found + num_true), num_true)  # fmt: skip
    assert table(result.out)["all"] == pytest.approx(expected, abs=0.005)
    after_training = json.loads((trained_ner / "scores_test.json").read_text())
    assert json.loads((tagger_run / "scores_test.json").read_text()) == after_training


def test_texts_are_tagged_where_they_stand(trained_ner, ner_command):
    texts = ["  Marie  Curie was born\tin Warsaw.", "Nokia was founded in Finland."]
    result = ner_command(
        f"--workdir={trained_ner}", "--mode=predict", *(f"--text={text}" for text in texts)
    )
    assert result.code == 0, result.err
    records = [json.loads(line) for line in result.out.splitlines()]
    assert [record["text"] for record in records] == texts
    assert entities(records[0]) == [("Marie  Curie", "PER"), ("Warsaw", "LOC")]
    assert entities(records[1]) == [("Nokia", "ORG"), ("Finland", "LOC")]
    for text, record in zip(texts, records, strict=True):
        for entity in record["entities"]:
            assert text[entity["start_char"] : entity["end_char"]] == entity["text"]
            words = record["tokens"][entity["start"] : entity["end"]]
            assert words == entity["text"].split()


def test_scores_are_the_least_marginal_of_an_entity(trained_ner, ner_command):
    """Of words that it has not seen, so that it is not sure."""
    text = "Ada Noether hired Bonn"
    result = ner_command(f"--workdir={trained_ner}", "--mode=predict", f"--text={text}")
    record = json.loads(result.out)
    tagger = rnnjax.load(trained_ner)
    sentence = Sentence(tuple(text.split()), (), "text:1")
    encoded = tagger.vocabulary.encode(sentence)._asdict()
    batch = {name: jnp.asarray(values)[:, None] for name, values in encoded.items()}
    batch["lengths"] = jnp.asarray([len(sentence.tokens)])
    graph, params = nnx.split(tagger.model)
    tags, probability = jax.jit(lambda params: tag(nnx.merge(graph, params), batch))(params)
    names = [tagger.vocabulary.tags[n] for n in tags[:, 0].tolist()]
    spans = spans_of(names)
    assert [(e["start"], e["end"], e["type"]) for e in record["entities"]] == spans
    assert len(spans) > 1
    least = [float(probability[start:end, 0].min()) for start, end, _ in spans]
    assert [e["score"] for e in record["entities"]] == pytest.approx(least, abs=2e-6)
    assert all(0 <= score <= 1 for score in least)
    assert min(least) < 0.99


def test_a_column_file_is_tagged_into_another(trained_ner, tagged_folder, tmp_path, ner_command):
    """The tags in the given file are all O, and are not looked at."""
    known = read_tags(tagged_folder / "train.inline")
    given, output = tmp_path / "given.conll", tmp_path / "tagged.conll"
    given.write_text(
        "\n".join("".join(f"{token} X O\n" for token in tokens) for tokens, _ in known)
    )
    result = ner_command(
        f"--workdir={trained_ner}", "--mode=predict", f"--input={given}", f"--output={output}"
    )
    assert result.out == f"12 sentences: {output}\n"
    assert read_tags(output) == known


def test_a_text_file_is_tagged_into_a_page_and_into_json(trained_ner, tmp_path, ner_command):
    given = tmp_path / "given.txt"
    given.write_text('<b>Nobody</b> & "none".\n\nLise Meitner fled to Stockholm.\n')
    argv = [f"--workdir={trained_ner}", "--mode=predict", f"--input={given}"]
    page, lines = tmp_path / "tagged.html", tmp_path / "tagged.jsonl"
    assert ner_command(*argv, f"--output={lines}").out == f"2 sentences: {lines}\n"
    first, second = map(json.loads, lines.read_text().splitlines())
    assert first["text"] == '<b>Nobody</b> & "none".'
    assert entities(second) == [("Lise Meitner", "PER"), ("Stockholm", "LOC")]
    assert ner_command(*argv, f"--output={page}").out == f"2 sentences: {page}\n"
    html = page.read_text()
    marks = re.findall(r'<mark[^>]*data-type="(\w+)" title="\w+\s[\d.]+%">([^<]*)</mark>', html)
    assert {("PER", "Lise Meitner"), ("LOC", "Stockholm")} <= set(marks)
    items = re.findall(r"<li .*?</li>", html, re.S)
    assert len(items) == 2
    assert "<b>" not in "".join(items)
    assert "&lt;" in items[0]
    assert "&amp;" in items[0]
    assert [f"{given}:{n}" in item for n, item in zip((1, 3), items, strict=True)] == [True, True]
    assert str(given) in html
    assert not re.search(r"https?://|<script|<link|@import|url\(", html)


def test_inspection_draws_confusions_and_transitions(tagger_run, ner_command):
    result = ner_command(f"--workdir={tagger_run}", "--mode=inspect", "--split=validation")
    assert result.code == 0, result.err
    assert result.out.startswith("0 of 12 sentences of validation have an error: ")
    for name in ("confusion", "transitions"):
        assert (tagger_run / f"inspect_{name}.png").read_bytes().startswith(b"\x89PNG")
    page = (tagger_run / "inspect.html").read_text()
    assert page.count("data:image/png") == 2
    result = ner_command(f"--workdir={tagger_run}", "--mode=inspect")
    wrong = re.match(r"(\d) of 3 sentences of test have an error: ", result.out)
    assert int(wrong[1]) > 0
    assert (tagger_run / "inspect.html").read_text() != page


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(
    ("argv", "has", "lacks"),
    [
        (
            ["--config.crf=false", "--config.characters=lstm", "--config.cell=gru"],
            ["features/characters/recurrent", "recurrent"],
            ["crf", "features/characters/filters"],
        ),
        (
            ["--config.characters=none", "--noconfig.both_directions", "--config.case_size=0"],
            ["crf", "features/embed"],
            ["features/characters", "features/case", "backward"],
        ),
    ],
)
def test_other_taggers_learn(tmp_path, tagged_folder, ner_command, argv, has, lacks):
    result = ner_command(
        f"--workdir={tmp_path}", f"--config.data={tagged_folder}", *SMALL_TAGGER,
        "--config.num_steps=12", "--config.learning_rate=0.05", "--config.log_every=1", *argv,
    )  # fmt: skip
    assert result.code == 0, result.err
    losses = [row["loss"] for row in of_split(tmp_path, "train")]
    assert losses[-1] < 0.8 * losses[0]
    names = " ".join(training.restore_params(tmp_path))
    assert all(name in names for name in has)
    assert not any(name in names for name in lacks), names
    evaluated = ner_command(f"--workdir={tmp_path}", "--mode=evaluate", "--split=validation")
    assert table(evaluated.out)["all"][2] == pytest.approx(
        max(row["f1"] for row in of_split(tmp_path, "valid")), abs=0.005
    )


@pytest.mark.usefixtures("no_report")
def test_a_run_restored_from_another_starts_with_its_parameters(trained_ner, tmp_path, ner_command):
    """The new sentences have other words than the old ones, whose vocabulary stays."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for split in ("train", "dev"):
        (corpus / f"{split}.tsv").write_text(
            "Marie\tB-PER\nCurie\tI-PER\nwas\tO\nborn\tO\nin\tO\nWarsaw\tB-LOC\n.\tO\n\n"
            "Gauss\tB-PER\nleft\tO\nVienna\tB-LOC\n.\tO\n"
        )
    argv = [f"--workdir={tmp_path / 'new'}", f"--restore_from={trained_ner}",
            f"--config.data={corpus}", *SMALL_TAGGER, "--config.num_steps=1",
            "--config.learning_rate=1e-30"]  # fmt: skip
    result = ner_command(*argv)
    assert result.code == 0, result.err
    assert vocabulary_of(tmp_path / "new") == vocabulary_of(trained_ner)
    old, new = training.restore_params(trained_ner), training.restore_params(tmp_path / "new")
    assert set(old) == set(new)
    for name, array in old.items():
        np.testing.assert_array_equal(new[name], array, err_msg=name)
    fresh = of_split(trained_ner, "train")[0]["loss"]
    assert of_split(tmp_path / "new", "train")[0]["loss"] < fresh / 2
    again = ner_command(*argv)
    assert again.code == 0, again.err
    assert "has its own checkpoints: --restore_from is ignored" in again.err
