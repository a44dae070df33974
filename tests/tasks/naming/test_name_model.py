"""Likelihoods, classes and generated names against plain loops."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import training
from rnnjax.data import Vocabulary
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.errors import UserError
from rnnjax.tasks.naming import reports
from rnnjax.tasks.naming.generator import NameGenerator, batch_loss
from rnnjax.tasks.naming.name_model import NameModel
from rnnjax.tasks.naming.names import Name
from rnnjax.tasks.naming.preparation import END, name_examples

COUNTS = {"x": 5, "y": 2, "z": 1}
TEXTS = ["ab", "b", "aabba", "?b?", "bbbbbbbbbbb"]


def make(counts=COUNTS, characters="ab", cell=rnnjax.gru(7)):  # noqa: B008
    vocabulary = Vocabulary.of_text(END + characters)
    size = len(vocabulary)
    model = NameGenerator(size, len(counts), cell, embed_size=4, rngs=nnx.Rngs(3))
    model.head.bias[...] = jnp.linspace(-1, 1, size)
    return NameModel(model, vocabulary, dict(counts))


def stepwise(name_model, text, k):
    """log p of each symbol of a name by a loop over the cell's single steps."""
    model = name_model.model
    params = jax.tree.map(lambda x: np.asarray(x, np.float64), model.recurrent.params.get_value())
    table, w, b = (
        np.asarray(x[...], np.float64)
        for x in (model.embed.embedding, model.head.kernel, model.head.bias)
    )
    told = np.eye(max(model.num_classes, 1))[k] if model.num_classes else np.zeros(0)
    carry = model.recurrent.cell.initial_carry(params, (1,))
    x_t, found = np.zeros(table.shape[1]), []
    for symbol in name_model.vocabulary.encode(text + END):
        carry, y_t = model.recurrent.cell(params, carry, np.concatenate([x_t, told])[None])
        logits = np.asarray(y_t[0], np.float64) @ w + b
        found.append(logits[symbol] - np.log(np.exp(logits).sum()))
        x_t = table[symbol]
    return np.array(found)


@pytest.mark.parametrize("counts", [COUNTS, {}])
def test_likelihoods_are_those_of_a_loop(counts):
    name_model = make(counts)
    scores = name_model.symbol_scores(TEXTS)
    for text, found in zip(TEXTS, scores, strict=True):
        assert found.shape == (len(text) + 1, max(len(counts), 1))
        for k in range(found.shape[1]):
            expected = stepwise(name_model, text, k)
            np.testing.assert_allclose(found[:, k], expected, rtol=2e-5, atol=1e-5)  # float32


def test_the_probabilities_of_all_strings_and_of_what_remains_sum_to_one():
    name_model = make()
    letters = ["?", "a", "b"]  # ? is the unknown symbol
    whole = ["".join(s) for n in range(3) for s in itertools.product(letters, repeat=n)]
    open_ = ["".join(s) for s in itertools.product(letters, repeat=3)]
    for k in range(3):
        ended = [s[:, k].sum() for s in name_model.symbol_scores(whole)]
        remaining = [s[:-1, k].sum() for s in name_model.symbol_scores(open_)]  # without the end
        assert np.exp(ended + remaining).sum() == pytest.approx(1, abs=1e-5)
        assert 0.05 < np.exp(ended).sum() < 0.95


def test_classes_are_those_of_bayes_by_brute_force():
    name_model = make()
    for text, found in zip(TEXTS, name_model.classify(TEXTS), strict=True):
        joint = {
            label: count / 8 * math.exp(stepwise(name_model, text, k).sum())
            for k, (label, count) in enumerate(COUNTS.items())
        }
        assert list(found) == sorted(joint, key=lambda label: -joint[label])
        for label, p in found.items():
            assert p == pytest.approx(joint[label] / sum(joint.values()), rel=1e-4)


def test_beliefs_begin_with_the_priors_and_end_with_the_classes():
    name_model = make()
    beliefs = name_model.beliefs("aabba")
    np.testing.assert_allclose(beliefs[0], np.array([5, 2, 1]) / 8)
    (classes,) = name_model.classify(["aabba"])
    np.testing.assert_allclose(beliefs[-1], [classes[label] for label in COUNTS])
    joint = [
        count * math.exp(stepwise(name_model, "aabba", k)[:3].sum())
        for k, count in enumerate(COUNTS.values())
    ]
    np.testing.assert_allclose(beliefs[3], np.array(joint) / sum(joint), rtol=1e-4)
    assert reports.draw_beliefs(name_model, "aש👧a").startswith(b"\x89PNG")
    picture = reports.draw_beliefs(name_model, " ae\u0301  b")
    assert picture == reports.draw_beliefs(name_model, "a\u00e9 b")  # as it is read


def test_padding_changes_neither_loss_nor_gradient():
    name_model = make()
    names = [Name(text, label) for text, label in zip(TEXTS, "xyzxy", strict=True)]
    graph, params = nnx.split(name_model.model, nnx.Param)
    loss_fn = training.loss_of_params(graph, batch_loss)

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def of_batch(params, batch):
        loss = loss_fn(params, None, batch, None)
        return loss.total, loss.count

    def of(buckets, batch_size):
        examples = name_examples(names, name_model.vocabulary, list(COUNTS), buckets)
        batches = EvaluationBatches(examples, batch_size=batch_size)
        found = [of_batch(params, batch) for batch in batches]
        return jax.tree.map(lambda *parts: sum(parts), *found)

    own = -sum(stepwise(name_model, n.text, "xyz".index(n.label)).sum() for n in names)
    (_, _), unpadded = of([2, 3, 4, 6, 12], 1)
    for buckets, batch_size in (([12], 5), ([30], 7)):
        (value, count), gradient = of(buckets, batch_size)
        assert value == pytest.approx(own, rel=1e-5)
        assert count == sum(len(text) + 1 for text in TEXTS)
        for got, expected in zip(*map(jax.tree.leaves, (gradient, unpadded)), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)  # float32


@pytest.mark.parametrize("counts", [COUNTS, {}])
def test_generation_draws_as_a_loop_with_the_same_keys(counts):
    name_model, key, temperature = make(counts), jax.random.key(5), 1.3
    model, end = name_model.model, int(name_model.vocabulary.encode(END)[0])
    label = "y" if counts else None
    expected, forward = [], jax.jit(model)
    for row in range(6):
        ids = []
        for t in range(8):
            inputs = np.array([model.start, *ids, *[0] * (7 - t)])[:, None]
            logits = forward(inputs, np.array([1]))[t, 0] / temperature
            key_t = jax.random.fold_in(jax.random.fold_in(key, t), row)
            drawn = int(jax.random.categorical(key_t, logits.at[0].set(-np.inf)))
            if drawn == end:
                break
            ids.append(drawn)
        expected.append(name_model.vocabulary.decode(ids))
    found = name_model.generate(label, 6, 5, temperature=temperature, max_length=8)
    assert found == expected
    assert len(set(found)) > 2
    assert name_model.generate(label, 3, 5, temperature=temperature, max_length=8) == expected[:3]


def test_the_unknown_symbol_is_never_drawn():
    name_model = make()
    name_model.model.head.bias[...] = jnp.array([9.0, 0.0, 0.0, 0.0])
    names = name_model.generate("x", 20, 0)
    assert set("".join(names)) == {"a", "b"}
    assert name_model.generate("x", 2, 1, temperature=0) == name_model.generate(
        "x", 2, 2, temperature=0
    )


def test_the_class_changes_what_is_learned():
    name_model = make({"x": 1, "y": 1})
    names = [Name("aaa", "x"), Name("bb", "y")]
    batch = EvaluationBatches(
        name_examples(names, name_model.vocabulary, ["x", "y"]), batch_size=2
    )[0]
    graph, params = nnx.split(name_model.model, nnx.Param)
    config = training.TrainingConfig(
        num_steps=150, learning_rate=0.05, batch_size=2, average="none", warmup_steps=0
    )
    step, new_state = training.make_training(config, training.loss_of_params(graph, batch_loss))
    state = new_state(params, None)
    for _ in range(150):
        state, _ = step(state, batch)
    trained = name_model._replace(model=nnx.merge(graph, state.params))
    assert set(trained.generate("x", 5)) == {"aaa"}
    assert set(trained.generate("y", 5)) == {"bb"}
    assert [next(iter(found)) for found in trained.classify(["aaa", "bb"])] == ["x", "y"]


def test_scores_are_those_of_the_own_class():
    name_model = make()
    names = [Name("ab", "y"), Name("bbb", "x"), Name("a", "z")]
    nats, _, accuracy = reports.score(name_model, names)
    own = [stepwise(name_model, n.text, list(COUNTS).index(n.label)) for n in names]
    assert nats == pytest.approx(-np.concatenate(own).mean(), rel=1e-5)
    likeliest = [next(iter(found)) for found in name_model.classify([n.text for n in names])]
    right = [label == n.label for label, n in zip(likeliest, names, strict=True)]
    assert accuracy == pytest.approx(100 * np.mean(right))


def test_the_5_grams_of_each_class_see_its_names_only():
    name_model = make({"x": 2, "y": 1})
    train = [Name("aa", "x"), Name("ab", "x"), Name("bb", "y")]
    (scores,) = reports.ngram_scores(name_model, train, [Name("b", "x")])
    # V = 4. x: a 3, b 1, end 2. First symbol: a twice of 2, one kind.
    p_b = (1 + 3 / 4) / (6 + 3)
    assert np.exp(scores[0, 0]) == pytest.approx(p_b / 3)
    # y: b 2, end 1; first symbol: b once of 1, one kind.
    assert np.exp(scores[0, 1]) == pytest.approx((1 + (2 + 2 / 4) / (3 + 2)) / 2)


def test_generated_names_of_the_training_data_are_marked():
    name_model = make()
    its = name_model.generate("x", 4)
    splits = {"train": [Name(its[0], "x")]}
    new, section = reports.report_generated(name_model, splits, 4)
    drawn = [name for label in COUNTS for name in name_model.generate(label, 4)]
    assert new == pytest.approx(100 * np.mean([name != its[0] for name in drawn]))
    assert f"{its[0]}*" in section.html


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda m: m.generate("xx"), r"no names of class 'xx'; did you mean 'x'\? Valid: x, y, z"),
        (lambda m: m.generate(), "no names of class None; Valid: x, y, z"),
        (lambda m: m.generate("x", 0), "num_samples is 1 or more; got 0"),
        (lambda m: m.generate("x", temperature=-1), "temperature is 0 or more"),
        (lambda m: m.classify(["ab", " "]), "a name is empty"),
        (lambda m: m.classify(["木村"]), "no character of the name '木村' is in the training"),
        (lambda m: m.beliefs("木村"), "no character of the name '木村' is in the training"),
    ],
)
def test_mistakes_are_told(use, words):
    with pytest.raises(UserError, match=words):
        use(make())


def test_a_model_without_classes_says_so():
    name_model = make({})
    with pytest.raises(UserError, match="trained without classes"):
        name_model.classify(["ab"])
    with pytest.raises(UserError, match="no names of class 'x'; it has no classes"):
        name_model.generate("x")
    assert len(name_model.generate(n=3)) == 3


def test_a_bidirectional_cell_is_refused():
    with pytest.raises(UserError, match="reads from left to right"):
        make(cell=rnnjax.bidirectional(rnnjax.gru(3), rnnjax.gru(3)))
