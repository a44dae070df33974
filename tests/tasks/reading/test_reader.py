"""The network that reads stories, its loss, its scores."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax.data.question_vocabulary import OTHER, QuestionVocabulary
from rnnjax.errors import UserError
from rnnjax.metrics.answers import Answered, frequent_answers
from rnnjax.tasks.reading.babi import Question, with_latest
from rnnjax.tasks.reading.config import ReadingConfig
from rnnjax.tasks.reading.preparation import prepare, question_examples
from rnnjax.tasks.reading.reading_model import (
    ReadingModel,
    attention_loss,
    batch_loss,
    make_model,
)
from rnnjax.tasks.reading.reports import scores_by_kind

STORIES = (
    ("Ann ran.", "Bob saw Ann there.", "Ann slept."),
    ("Bob ran.",),
    ("Ann ran.", "Bob ran."),
)
QUESTIONS = tuple(
    Question(story, text, answer, facts)
    for story, text, answer, facts in zip(
        STORIES, ("Who slept?", "Who ran there?", "Who?"), ("ann", "bob", "eve"),
        ((0, 2), (0,), ()), strict=True,
    )
)  # fmt: skip
VOCABULARY = QuestionVocabulary(
    "word",
    ("<end>", "<start>", "<unknown>", "ann", "bob", "ran", "saw", "slept", "there", "who"),
    answers=(OTHER, "ann", "bob"),
)


def model_of(hops, cell="gru"):
    config = ReadingConfig(embed_size=3, hidden_size=4, hops=hops, cell=cell, dropout=0.0)
    return make_model(config, VOCABULARY)


def last_output(model, words):
    """The last output of the cell over the words, by a Python loop over the steps."""
    xs = np.asarray(model.words.embed.embedding[...])[np.array(words)][:, None]
    recurrent = model.words.recurrent
    run = jax.jit(rnnjax.unroll_reference, static_argnums=0)
    _, ys = run(recurrent.cell, recurrent.params.get_value(), xs)
    return np.asarray(ys, np.float64)[-1, 0]


def softmax(scores):
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def read(model, question):
    """Logits `[K]` and attention `[N, S]` in float64 NumPy, one story without padding."""
    encode = VOCABULARY.encode
    arrays = jax.tree.map(lambda x: np.asarray(x, np.float64), nnx.to_pure_dict(nnx.state(model)))
    size = len(question.story)
    memory = [
        last_output(model, encode(text)) + arrays["age"]["embedding"][size - 1 - n]
        for n, text in enumerate(question.story)
    ]
    u, attention = last_output(model, encode(question.text)), []
    for n in range(len(model.hops)):
        hop = arrays["hops"][n]
        p = hop["attention"]
        scores = [p.w_score @ np.tanh(m @ p.w_location + u @ p.w_query + p.b) for m in memory]
        weights = softmax(np.array(scores))
        r = sum(w * m for w, m in zip(weights, memory, strict=True))
        u = np.tanh(np.concatenate([r, u]) @ hop["update"]["kernel"] + hop["update"]["bias"])
        attention.append(weights)
    return u @ arrays["head"]["kernel"] + arrays["head"]["bias"], np.array(attention)


def batch_of(questions, size):
    examples = question_examples(questions, VOCABULARY, [5])
    return examples.batch(5, np.arange(len(questions)), np.arange(size))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_hops_over_padded_stories_are_those_of_a_loop(cell):
    model = model_of(2, cell)
    batch = batch_of(QUESTIONS, 4)
    found, looks = model(batch["story"], batch["question"])
    for n, one in enumerate(QUESTIONS):
        logits, attention = read(model, one)
        np.testing.assert_allclose(found[n], logits, atol=2e-6)
        np.testing.assert_allclose(looks[:, n, : len(one.story)], attention, atol=2e-6)
        assert not looks[:, n, len(one.story) :].any()


def test_without_hops_story_and_question_are_one_sequence():
    model = model_of(0)
    batch = batch_of(QUESTIONS, 3)
    found, attention = model(batch["story"], batch["question"])
    assert attention.shape == (0, 3, 5)
    for n, one in enumerate(QUESTIONS):
        words = np.concatenate([VOCABULARY.encode(text) for text in (*one.story, one.text)])
        last = last_output(model, words)
        logits = last @ model.head.kernel[...] + model.head.bias[...]
        np.testing.assert_allclose(found[n], logits, atol=2e-6)


def test_the_answers_of_the_class_are_those_of_the_loop_without_the_other_one():
    model = model_of(2)
    model.head.bias[...] = jnp.array([9.0, 0.0, 0.0])  # OTHER would be the likeliest.
    for one, said in zip(QUESTIONS, ReadingModel(model, VOCABULARY).answer(QUESTIONS), strict=True):
        logits, attention = read(model, one)
        best = 1 + int(logits[1:].argmax())
        assert said.answer == VOCABULARY.answers[best]
        assert said.probability == pytest.approx(softmax(logits)[best], rel=1e-5)
        np.testing.assert_allclose(said.attention, attention, atol=2e-6)


def test_the_loss_counts_answers_that_training_lacks_as_wrong():
    model = model_of(1)
    loss = nnx.jit(batch_loss, static_argnums=0)(0.0, model, batch_of(QUESTIONS, 4), None)
    logits = [read(model, one)[0] for one in QUESTIONS]
    ids = [1, 2, 0]
    expected = -sum(np.log(softmax(its)[n]) for its, n in zip(logits, ids, strict=True))
    right = sum(1 + its[1:].argmax() == n for its, n in zip(logits, ids, strict=True))
    assert float(loss.total) == pytest.approx(expected, rel=1e-5)
    assert (int(loss.count), float(loss.metrics["accuracy"])) == (3, 100 * right)


def loss_by_loop(attention, facts):
    """The loss of attention `[N, B, S]` in float64."""
    total = 0.0
    for n in range(facts.shape[0]):
        its = np.flatnonzero(facts[n])
        for fact in its:
            total -= np.log(np.mean(attention[:, n, fact])) / len(its)
    return total


def test_supervised_attention_has_the_loss_of_a_loop_and_its_gradient():
    rng = np.random.default_rng(0)
    attention = rng.dirichlet(np.ones(5), (3, 4))
    facts = np.array([[1, 0, 0, 0, 0], [0, 1, 0, 1, 1], [0] * 5, [0, 0, 0, 1, 1]], bool)
    value, gradient = jax.value_and_grad(attention_loss)(jnp.array(attention), jnp.array(facts))
    assert float(value) == pytest.approx(loss_by_loop(attention, facts), rel=1e-5)
    for at in np.ndindex(3, 4, 5):
        step = np.zeros_like(attention)
        step[at] = 1e-6
        slope = loss_by_loop(attention + step, facts) - loss_by_loop(attention - step, facts)
        assert float(gradient[at]) == pytest.approx(slope / 2e-6, rel=1e-3, abs=1e-5)


def test_supervision_weighs_the_loss_of_the_attention():
    model = model_of(2)
    plain, supervised = (
        nnx.jit(batch_loss, static_argnums=0)(weight, model, batch_of(QUESTIONS, 3), None).total
        for weight in (0.0, 0.5)
    )
    expected = sum(
        loss_by_loop(read(model, one)[1][:, None], np.isin(np.arange(len(one.story)), facts)[None])
        for one in QUESTIONS
        if (facts := one.facts)
    )
    assert float(supervised - plain) == pytest.approx(0.5 * expected, rel=1e-4)


def test_vectors_of_words_stand_at_their_ids_and_add_words(tmp_path):
    text = "1 Ann ran.\n2 Who ran?\tann\t1\n"
    for split in ("train", "valid"):
        (tmp_path / f"{split}.txt").write_text(text)
    (tmp_path / "test.txt").write_text("1 Ann slept.\n2 Who slept?\teve\t1\n")
    vectors = tmp_path / "vectors.vec"
    vectors.write_text("ran 1 2\nslept 3 4\nelsewhere 5 6\n")
    folder = f"train={tmp_path}/train.txt,validation={tmp_path}/valid.txt,test={tmp_path}/test.txt"
    config = ReadingConfig(data=folder, vectors=str(vectors), embed_size=2, batch_size=1)
    made = prepare(config)
    assert made.vocabulary.symbols[3:] == ("ran", "ann", "who", "slept")
    assert "1 answers of test are those of no training question" in made.description
    assert "are unknown" not in made.description
    table = make_model(config, made.vocabulary, made.vectors).words.embed.embedding[...]
    np.testing.assert_array_equal(table[3], [1, 2])
    np.testing.assert_array_equal(table[6], [3, 4])
    wide = ReadingConfig(embed_size=3)
    with pytest.raises(UserError, match=r"expected --config\.embed_size=2, got 3"):
        make_model(wide, made.vocabulary, made.vectors)


def test_scores_are_means_over_kinds():
    def said(answer, *tops):
        return Answered(answer, 1.0, np.eye(4)[list(tops)])

    questions = [
        Question((), "", "a", (0, 1), kind="x"), Question((), "", "b", (2,), kind="x"),
        Question((), "", "a", (3,), kind="x"), Question((), "", "c", kind="y"),
    ]  # fmt: skip
    answered = [said("a", 0, 2, 3), said("a", 2, 1), said("a", 0, 1), said("c", 0)]
    scores = scores_by_kind(questions, answered, frequent_answers(questions[1:]))
    x, y, mean = (list(scores[kind].values()) for kind in ("x", "y", "mean"))
    # Of equals, "a" sorts first; half of the facts, all, none.
    assert x == pytest.approx([3, 200 / 3, 200 / 3, 50])
    assert y == pytest.approx([1, 100, 100, np.nan], nan_ok=True)
    assert mean == pytest.approx([4, 250 / 3, 250 / 3, 50])


@pytest.mark.parametrize(
    ("policy", "lengths", "told"),
    [
        ("truncate", [1, 2, 2], "cut"),
        ("skip", [1, 2], "left out"),
        ("keep", [1, 2, 4], "kept whole"),
    ],
)
def test_long_stories_are_treated_as_wanted_and_counted(tmp_path, policy, lengths, told):
    stories = [
        ["Ann ran."],
        ["Ann ran.", "Bob slept."],
        ["Bob ran.", "Ann ran.", "Ann saw.", "Bob slept."],
    ]
    text = "".join(
        f"{n} {line}\n"
        for story in stories
        for n, line in enumerate([*story, f"Who ran?\tann\t{max(1, len(story) - 1)}"], 1)
    )
    for split in ("train", "valid"):
        (tmp_path / f"{split}.txt").write_text(text)
    config = ReadingConfig(data=str(tmp_path), max_length=2, too_long=policy, batch_size=4)
    made = prepare(config)
    assert f"\n1 training stories are longer than 2 sentences and {told}." in made.description
    batch = made.batches[0]
    assert sorted(n for n in batch["lengths"].tolist() if n) == lengths
    assert batch["story"].shape[0] == max(lengths)
    assert batch["facts"].sum() == len(lengths)  # That of the long story is its last but one.
    held_out = sorted(n for batch in made.validation for n in batch["lengths"].tolist() if n)
    assert held_out == ([1, 2, 2] if policy == "truncate" else [1, 2, 4])


def test_a_model_with_a_limit_reads_the_latest_sentences():
    model = model_of(2)
    (cut, short, _) = (with_latest(one, 2) for one in QUESTIONS)
    assert (cut.story, cut.facts) == (STORIES[0][1:], (1,))
    assert short == QUESTIONS[1]
    expected = ReadingModel(model, VOCABULARY).answer([cut])[0]
    found = ReadingModel(model, VOCABULARY, limit=2).answer(QUESTIONS)[0]
    assert found[:2] == expected[:2]
    np.testing.assert_array_equal(found.attention, np.pad(expected.attention, ((0, 0), (1, 0))))
