"""Sentences written and scored, against plain loops and the laws of probability."""

import itertools

import jax
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import models
from rnnjax.data.word_vocabulary import END, UNKNOWN_WORD, WordVocabulary
from rnnjax.errors import UserError
from rnnjax.tasks.word_language import corpus, reports
from rnnjax.tasks.word_language.config import WordConfig
from rnnjax.tasks.word_language.word_model import (
    SentenceScore,
    WordModel,
    loss_of_split,
    make_model,
)

VOCABULARY = WordVocabulary.of(["the cat sat", "a dog ran ."])


@pytest.fixture(scope="module")
def writer():
    model = models.LanguageModel(
        len(VOCABULARY), rnnjax.gru(8), embed_size=8, tied=True, rngs=nnx.Rngs(0)
    )
    sharp = model.embed.embedding.get_value() * 3
    model.embed.embedding.set_value(sharp)
    return WordModel(model, VOCABULARY)


def by_steps(writer, ids):
    """The log-probability of each symbol after END and those before it."""
    carry, before, found = writer.model.initial_carry(1), END, []
    for symbol in ids:
        logits, carry = writer.model.step(np.array([before]), carry)
        found.append(float(jax.nn.log_softmax(logits[0])[symbol]))
        before = symbol
    return found


def test_scores_are_those_of_single_steps(writer):
    texts = ["the cat sat", "a dog", "sat the cat ran . a dog ran .", "a zebra ran"]
    for text, score in zip(texts, writer.score(texts), strict=True):
        expected = by_steps(writer, VOCABULARY.encode(text))
        np.testing.assert_allclose(score.log_probability, expected, atol=1e-5)
        assert score.text == text
        assert score.num_unknown == text.count("zebra")
        assert score.total == pytest.approx(sum(expected), abs=1e-4)
        assert score.perplexity == pytest.approx(np.exp(-np.mean(expected)), rel=1e-4)


def test_sentences_that_end_within_two_words_and_longer_beginnings_have_all_the_probability(writer):
    rows = [np.array([*row, END]) for n in (1, 2)
            for row in itertools.product(range(1, len(VOCABULARY)), repeat=n)]  # fmt: skip
    ended = sum(np.exp(score.total) for score in writer.score_ids(rows))
    at_once = np.exp(by_steps(writer, [END])[0])
    longer = sum(
        np.exp(score.log_probability[:2].sum()) * (1 - np.exp(score.log_probability[2]))
        for score in writer.score_ids(rows)
        if len(score.log_probability) == 3
    )
    assert at_once + ended + longer == pytest.approx(1, abs=1e-5)


def test_the_coldest_sentence_takes_the_likeliest_known_word_each_time(writer):
    (text,) = writer.write("the", temperature=0, max_length=7)
    carry, before, words = writer.model.initial_carry(1), END, ["the"]
    for symbol in [*VOCABULARY.encode("the")[:1], *[None] * 7]:
        logits, carry = writer.model.step(np.array([before]), carry)
        allowed = np.asarray(logits[0]).copy()
        allowed[[1, UNKNOWN_WORD]] = -np.inf
        before = int(allowed.argmax()) if symbol is None else int(symbol)
        if before == END:
            break
        if symbol is None:
            words.append(VOCABULARY.symbols[before])
    assert text == " ".join(words)


def test_samples_end_and_hold_no_unknown_word(writer):
    texts = writer.write(num_samples=40, max_length=12, temperature=1.5, seed=4)
    lengths = [len(text.split()) for text in texts]
    assert min(lengths) < 12
    assert not any("<" in text for text in texts)
    assert texts == writer.write(num_samples=40, max_length=12, temperature=1.5, seed=4)
    assert texts != writer.write(num_samples=40, max_length=12, temperature=1.5, seed=5)


def test_mistakes(writer):
    with pytest.raises(UserError, match=r"the training text lacks: \['zebra', 'flew'\]"):
        writer.write("the zebra flew")
    with pytest.raises(UserError, match="sentence 1 of 1 has no word"):
        writer.score([" "])
    with pytest.raises(UserError, match=r"embed_size=4 and --config.hidden_size=256 to be equal"):
        WordConfig(embed_size=4).validate()


def test_neighbours_are_ordered_by_their_cosine(writer):
    vectors = np.float64(writer.model.embed.embedding.get_value())
    at = VOCABULARY.symbols.index("cat")
    cosines = {
        symbol: vectors[n] @ vectors[at] / np.linalg.norm(vectors[n]) / np.linalg.norm(vectors[at])
        for n, symbol in enumerate(VOCABULARY.symbols) if n != at
    }  # fmt: skip
    assert writer.neighbours("cat", 3) == sorted(cosines, key=lambda s: -cosines[s])[:3]


def test_candidates_are_ranked_and_share_their_probability(writer):
    scores = writer.score(["the cat sat", "a dog ran .", "cat the ran"])
    lines = [line.split() for line in reports.report_scores(scores).splitlines()[1:4]]
    best = max(scores, key=lambda score: score.total)
    joint = sum(np.exp(score.total) for score in scores)
    assert lines[0][:3] == ["*", f"{best.total:.3f}", f"{np.exp(best.total) / joint:.1%}"]
    assert lines[0][5:] == best.text.split()


def test_unknown_words_do_not_win():
    """<unknown> is one word to the model, and likelier than the known one."""
    likely, known = (
        SentenceScore(text, tuple(text.split()), np.log([p, 0.5]), unknown)
        for text, p, unknown in (("zebra", 0.9, 1), ("cat", 0.1, 0))
    )
    _, first, second, *_ = reports.report_scores([likely, known]).splitlines()
    assert first.split() == ["*", "-2.996", "10.0%", "4.5", "0", "cat"]
    assert second.split() == ["-0.799", "90.0%", "1.5", "1", "zebra"]


TEXT = "the cat sat\n\nthe dog ran\nthe cat ran\na cat sat\n"


def test_a_text_is_its_lines_between_ends(tmp_path, writer):
    for name, text in (
        ("train", TEXT),
        ("valid", "the bird\u2028sat\n"),
        ("test", "a cat ran\r\n"),
    ):
        (tmp_path / f"{name}.txt").write_text(text)
    config = WordConfig(data=str(tmp_path), batch_size=1, window=4, min_count=1)
    prepared = corpus.prepare(config)
    words = [prepared.vocabulary.symbols[n] for n in prepared.splits["train"].ids]
    assert " ".join(words) == (
        "<end> the cat sat <end> the dog ran <end> the cat ran <end> a cat sat <end>"
    )
    assert [prepared.vocabulary.symbols[n] for n in prepared.splits["validation"].ids] == [
        "<end>", "the", "<unknown>", "sat", "<end>",
    ]  # fmt: skip
    assert "validation 5 words (20.0% unknown)" in prepared.description
    rows = corpus.first_sentences(prepared.splits["train"], 2)
    assert [prepared.vocabulary.decode(row.tolist()) for row in rows] == [
        ("the", "cat", "sat"), ("the", "dog", "ran"),
    ]  # fmt: skip
    rarer = corpus.prepare(WordConfig(data=str(tmp_path), batch_size=1, window=4, min_count=3))
    assert set(rarer.vocabulary.symbols[3:]) == {"the", "cat"}


def test_pretrained_vectors_are_those_of_inputs_and_tied_outputs(tmp_path):
    (tmp_path / "train.txt").write_text("the cat sat\n" * 9)
    (tmp_path / "valid.txt").write_text("the cat sat\n" * 9)
    (tmp_path / "words.vec").write_text("cat 5 6\ndog 1 1\n")
    config = WordConfig(data=str(tmp_path), vectors=f"{tmp_path}/words.vec", hidden_size=2,
                        embed_size=2, batch_size=2, window=3)  # fmt: skip
    found = corpus.prepare(config)
    assert "1 of 3 words (33.3%) have pretrained vectors" in found.description
    model = make_model(config, found.vocabulary, found.vectors)
    at = found.vocabulary.symbols.index("cat")
    assert model.embed.embedding[...][at].tolist() == [5, 6]
    assert model.logits(np.ones((1, 2), np.float32))[0, at] == 11


def test_the_loss_of_a_split_is_that_of_its_sentences_read_through(tmp_path, writer):
    (tmp_path / "train.txt").write_text("the cat sat\na dog ran .\n")
    (tmp_path / "valid.txt").write_text("the dog sat\nthe cat\n")
    config = WordConfig(data=str(tmp_path), batch_size=1, window=3, min_count=1)
    _, splits = corpus.read_splits(config, VOCABULARY)
    loss, count = loss_of_split(config, writer.model, splits["validation"])
    expected = by_steps(writer, splits["validation"].ids[1:].tolist())
    assert count == len(expected) == 7
    assert loss == pytest.approx(-np.mean(expected), rel=1e-5)
