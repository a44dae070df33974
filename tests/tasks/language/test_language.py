import itertools
import json

import jax
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import data, models
from rnnjax.errors import UserError
from rnnjax.tasks.language import (
    TextModel,
    longest_document,
    opening_of,
    report_scores,
    texts_of_file,
)


def make(vocabulary):
    cell = rnnjax.gru(6)
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


def test_scores_are_written_likeliest_first(tmp_path):
    judge = make(data.Vocabulary.of_text("ab\n"))
    texts = ["ab", "ba", "a", "", "bbbbbbbb"]
    table = report_scores(judge, texts, tmp_path)
    totals = [
        t["log_probability"] for t in json.loads((tmp_path / "score.json").read_text())["texts"]
    ]
    assert totals == sorted(totals, reverse=True)
    assert len(totals) == 4
    assert "read after '\\n'" in table
    for name, text in (("a", "a"), ("ab", "ab")):
        (score,) = judge.score([text], prompt="\n")
        assert f"{score.total:.3f}" in table, name


def test_a_text_without_a_score_is_not_the_likeliest(tmp_path):
    judge = make(data.Vocabulary.of_text("ab"))
    report_scores(judge, ["a", "ab"], tmp_path)
    texts = json.loads((tmp_path / "score.json").read_text())["texts"]
    assert [t["text"] for t in texts] == ["ab", "a"]
    assert texts[1]["perplexity"] is None


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


def test_a_file_in_another_encoding(tmp_path):
    (tmp_path / "texts").write_bytes("é\n".encode("latin-1"))
    assert texts_of_file(str(tmp_path / "texts"), "latin-1") == ["é"]
    with pytest.raises(UserError, match="is not utf-8 text"):
        texts_of_file(str(tmp_path / "texts"), "utf-8")
