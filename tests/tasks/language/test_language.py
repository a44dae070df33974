import itertools
import math
import re

import jax
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import data, decode, models
from rnnjax.tasks.language import text_model
from rnnjax.tasks.language.assembly import perplexity
from rnnjax.tasks.language.inspection import report_inspection
from rnnjax.tasks.language.score_report import report_scores, report_steps, score_page
from rnnjax.tasks.language.text_model import (
    PIECE,
    TextModel,
    TextScore,
    longest_document,
    opening_of,
)


def make(vocabulary, cell=rnnjax.gru(6)):  # noqa: B008
    model = models.LanguageModel(len(vocabulary), cell, embed_size=4, rngs=nnx.Rngs(0))
    return TextModel(model, vocabulary)


def test_bytes_of_one_character_are_scored_together():
    judge = make(data.Vocabulary.of_bytes())
    (score,) = judge.score(["né!"], prompt="\n")
    carry, expected = judge.model.initial_carry(1), []
    symbols = list("\nné!".encode())
    for symbol, target in itertools.pairwise(symbols):
        logits, carry = judge.model.step(np.array([symbol]), carry)
        expected.append(float(jax.nn.log_softmax(logits)[0, target]))
    n, e1, e2, mark = expected
    np.testing.assert_allclose(score.log_probability, [n, e1 + e2, mark], rtol=1e-5)


def test_scores_are_told_likeliest_first(tmp_path):
    judge = make(data.Vocabulary.of_text("ab\n"))
    table = report_scores(judge, ["ab", "ba", "a", "", "bbbbbbbb"], tmp_path)
    rows = [line.lstrip("*").split() for line in table.splitlines()[1:5]]
    assert sorted(rows, key=lambda row: -float(row[0])) == rows
    for *numbers, text in rows:
        (score,) = judge.score([text], prompt="\n")
        expected = [score.total, score.bits_per_character, score.perplexity, len(text)]
        assert [*map(float, numbers)] == pytest.approx(expected, abs=5e-4)
    assert "read after '\\n'" in table


def test_a_text_without_a_score_is_not_the_likeliest(tmp_path):
    judge = make(data.Vocabulary.of_text("ab"))
    table = report_scores(judge, ["a", "ab"], tmp_path).splitlines()
    assert [line.split()[-1] for line in table[1:3]] == ["ab", "a"]


@pytest.mark.parametrize(
    ("texts", "level", "opening", "longest"),
    [
        (["hello", "hi", "hullo!"], "char", "h", "hullo!"),
        (["éa", "b"], "byte", "é", "éa"),
        (["two\nlines", "b"], "char", "\n", "two\nlines"),
    ],
)
def test_a_corpus_suggests_a_prompt_and_a_length(texts, level, opening, longest):
    corpus = data.from_texts(texts, level=level, valid_fraction=0.0)
    assert opening_of(corpus) == opening
    found = longest_document(corpus.splits["train"])
    assert corpus.vocabulary.decode(found) == longest


@pytest.mark.parametrize(("cell", "more"), [(rnnjax.rnn(6), []), (rnnjax.gru(6), ["saturation"])])
def test_cells_without_gates_have_no_picture_of_saturation(tmp_path, cell, more):
    vocabulary = data.Vocabulary.of_text("ab")
    ids = vocabulary.encode("abbabaab")
    report_inspection(make(vocabulary, cell), ids, tmp_path)
    pictures = {path.stem.removeprefix("inspect_") for path in tmp_path.glob("*.png")}
    assert pictures == {"units", "gradient", *more}
    page = (tmp_path / "inspect.html").read_text()
    assert ("Gate saturation" in page) == bool(more)
    assert [f"{name} gate" in page for name in ("reset", "update")] == [bool(more)] * 2
    assert "forget gate" not in page


def test_an_inspection_says_why_it_shows_its_units(tmp_path):
    vocabulary = data.Vocabulary.of_text("ab")
    shown = {}
    for units in (None, "3,1"):
        report_inspection(make(vocabulary), vocabulary.encode("abbabaab"), tmp_path, units=units)
        shown[units] = (tmp_path / "inspect.html").read_text()
    assert ["largest autocovariance" in page for page in shown.values()] == [True, False]
    scale = re.search(r"<h2>Units</h2>.*?(<p class=\"text\">.*?)<h2>", shown[None], re.DOTALL)
    assert re.findall(r"/ ([\d.]+)\)\"> (\S+) ", scale[1])[::2] == [
        ("1.00", "-1"), ("0.00", "0"), ("1.00", "1"),
    ]  # fmt: skip


def test_step_scores_mark_the_target_and_sum_to_one():
    vocabulary = data.Vocabulary("char", "\N{REPLACEMENT CHARACTER}bc")
    logits = np.log([[[0.7, 0.2, 0.1]], [[0.05, 0.05, 0.9]]]) + 5

    class Fixed:
        def initial_carry(self, batch_size):
            assert batch_size == 1

        def __call__(self, tokens, carry):
            assert tokens.tolist() == [[0], [2]]
            return logits, carry

    told, section = report_steps(Fixed(), vocabulary, np.array([0, 2, 1]))
    lines = told.splitlines()[3:]
    assert lines[0].count("[") == lines[1].count("[") == 1
    assert "70.0%" in lines[0]
    assert "[   2.70  10.0%]" in lines[0]
    assert "[   2.00   5.0%]" in lines[1]
    assert not section.text  # such lines are too long for a phone
    rows = section.html.split("<tr>")[2:]
    assert [re.findall(r"[\d.]+%", row) for row in rows] == [
        ["70.0%", "20.0%", "10.0%"], ["5.0%", "5.0%", "90.0%"],
    ]  # fmt: skip
    assert [re.findall(r"<b>\[([\d.]+)<br>(.*?)\]", row) for row in rows] == [
        [("2.70", "10.0%")], [("2.00", "5.0%")],
    ]  # fmt: skip


def test_scores_leave_out_what_has_none():
    score = TextScore("ab", np.array([np.nan, math.log(0.25)]))
    assert (score.num_scored, score.bits_per_character) == (1, pytest.approx(2))
    assert (score.total, score.perplexity) == (pytest.approx(math.log(0.25)), pytest.approx(4))
    empty = TextScore("a", np.array([np.nan]))
    assert math.isnan(empty.perplexity)
    assert math.isnan(empty.bits_per_character)
    page = score_page([score, empty], "Read after '\\n'.")
    assert "p = 0.25, 2.00 bits" in page
    assert "unscored" in page
    assert (perplexity(1e4), perplexity(0)) == (math.inf, 1)


@pytest.mark.parametrize("length", [20, PIECE, 2 * PIECE + 7])
def test_a_text_written_in_pieces_is_that_of_one_scan(length):
    writer = make(data.Vocabulary.of_text("abcdefgh \n"))
    graph, params = nnx.split(writer.model)
    drawn, _ = decode.sample(
        lambda params, carry, tokens: nnx.merge(graph, params).step(tokens, carry),
        params,
        writer.model.initial_carry(2),
        np.tile(writer.encode("ab")[:, None], (1, 2)),
        length=length,
        key=jax.random.key(3),
        temperature=0.9,
    )
    expected = ["ab" + writer.vocabulary.decode(row) for row in np.asarray(drawn).T]
    pieces = list(writer.stream("ab", length=length, num_samples=2, temperature=0.9, seed=3))
    assert len(pieces) == 1 + -(-length // PIECE)
    assert list(map("".join, zip(*pieces, strict=True))) == expected
    assert len(set(expected)) == 2


class Circle(nnx.Module):
    """A model of bytes that writes the bytes of ä€ in a circle."""

    def initial_carry(self, batch_size):
        return np.zeros(batch_size)

    def step(self, tokens, carry):
        circle = np.frombuffer("ä€".encode(), np.uint8)
        logits = np.full((256, 256), -1e9, np.float32)
        logits[circle, np.roll(circle, -1)] = 0
        return jax.numpy.asarray(logits)[tokens], carry


@pytest.mark.parametrize("piece", [48, 49, 50])
def test_a_piece_never_ends_within_a_character(monkeypatch, piece):
    monkeypatch.setattr(text_model, "PIECE", piece)
    pieces = list(TextModel(Circle(), data.Vocabulary.of_bytes()).stream("€", length=102))
    assert "".join(text for (text,) in pieces) == "€" + "ä€" * 20 + "ä"
    assert all("\N{REPLACEMENT CHARACTER}" not in text for (text,) in pieces)


def test_scores_are_a_table_of_the_page():
    scores = [
        TextScore(text, np.log(np.full(len(text), p))) for text, p in (("a<b", 0.5), ("  ", 0.25))
    ]
    page = score_page(scores, "* is the likeliest.")
    cells = re.findall(r"<t([hd])(?: class=\"\w+\")?>(.*?)</t[hd]>", page)
    assert [text for kind, text in cells if kind == "h"] == [
        "text", "log-probability", "bits/char", "perplexity", "chars",
    ]  # fmt: skip
    assert [text for kind, text in cells if kind == "d"] == [
        "* a&lt;b", "-2.079", "1.0000", "2.000", "3",
        "&#x27;  &#x27;", "-2.773", "2.0000", "4.000", "2",
    ]  # fmt: skip
    assert '<div class="scroll"><table' in page
    assert "<pre>" not in page
    assert "* is the likeliest." in page
    assert '<span style="background:rgb(var(--red) / 0.25)"> 1/4 </span>' in page
