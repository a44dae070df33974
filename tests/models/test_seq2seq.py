"""Encoders and a decoder against float64 numpy, example by example and step by step."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import decode
from rnnjax.cells.named import deep
from rnnjax.models.decoder import Decoder, shift_right
from rnnjax.models.decoding import decoding_step
from rnnjax.models.hard_attention import HardTraining
from rnnjax.models.seq2seq import Seq2Seq, Source, seq2seq_loss, with_own_symbols
from rnnjax.models.sequence_encoder import SequenceEncoder
from tests.cells.zoo import jit
from tests.models import decoder_oracle as oracle

V, T, B, D, F = 5, 4, 3, 2, 6
START, STOP = 4, 0
LENGTHS = ([5, 2, 0], [3, 1, 4])
"""Of the tokens and of the vectors that are read, for each example."""
STEPS = (5, 4)
TARGET_LENGTHS = np.array([4, 2, 3])
CASES = {
    "initial": ("initial", "additive", "deep"),
    "every_step": ("every_step", "additive", "gru"),
    "soft": ("soft", "additive", "lstm"),
    "soft_fed": ("soft", "additive", "deep"),
    "soft_dot": ("soft", "dot", "deep"),
    "soft_general": ("soft", "general", "rnn"),
    "hard": ("hard", "additive", "gru"),
}
LIKE_HARD = ("soft", "additive", "gru")
CELLS = {
    "rnn": rnnjax.rnn(F), "gru": rnnjax.gru(F), "lstm": rnnjax.lstm(F),
    "deep": deep("lstm", F, num_layers=2),
}  # fmt: skip
every_case = pytest.mark.parametrize("case", CASES)


pytestmark = pytest.mark.usefixtures("float64")


def untrained(context, scorer, cell, **options):
    """Reads tokens in both directions and vectors from left to right."""
    both = rnnjax.bidirectional(rnnjax.lstm(2), rnnjax.gru(F - 2))
    encoders = (
        SequenceEncoder(
            rnnjax.stack([both, rnnjax.dropout(0.5)]), input_size=3, vocab_size=7, rngs=nnx.Rngs(1)
        ),
        SequenceEncoder(rnnjax.gru(F), input_size=D, rngs=nnx.Rngs(2)),
    )
    return Seq2Seq(
        encoders, V, CELLS[cell], context=context, scorer=scorer, embed_size=3, attention_size=4,
        rngs=nnx.Rngs(0), **options,
    )  # fmt: skip


@functools.cache
def make(case, **options):
    options = options | {"input_feeding": case == "soft_fed"}
    return oracle.in_float64(lambda: untrained(*CASES.get(case, LIKE_HARD), **options))


def problem(seed=0, garbage=0.0):
    """Sources with garbage where they are masked, and targets."""
    rng = np.random.default_rng(seed)
    masks = [np.arange(s)[:, None] < np.array(n) for s, n in zip(STEPS, LENGTHS, strict=True)]
    tokens = rng.integers(0, 7, (STEPS[0], B))
    vectors = np.where(masks[1][..., None], rng.normal(size=(STEPS[1], B, D)), garbage)
    targets = rng.integers(1, V - 1, (T, B))
    targets[TARGET_LENGTHS - 1, range(B)] = STOP
    return (Source(tokens, masks[0]), Source(vectors, masks[1])), targets


MASK = np.arange(T)[:, None] < TARGET_LENGTHS


@functools.cache
def run(case, remat="none"):
    """The loss and its gradients, the reading, and the logits and weights step by step."""
    graph, _ = make(case)

    def loss(params, vectors, sources, targets):
        model = nnx.merge(graph, params)
        sources = (sources[0], sources[1]._replace(inputs=vectors))
        total, count = seq2seq_loss(model, sources, targets, MASK, start=START, remat=remat)
        memory = model.memory(sources)

        def advance(carry, tokens):
            logits, glance, carry = model.step(memory, carry, tokens)
            return carry, (logits, glance)

        before = shift_right(targets, START)
        _, stepwise = jax.lax.scan(advance, model.initial_carry(memory), before)
        return total, (count, model(sources, before), stepwise)

    return jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))


def call(case, params, sources, targets, **options):
    return run(case, **options)(params, sources[1].inputs, sources, targets)


def by_hand(case, p, sources, before, row):
    """What numpy makes of one example: only the steps that are there."""
    context, scorer, _ = CASES[case]
    parts, ends = [], []
    for n, source in enumerate(sources):
        xs = np.asarray(source.inputs)[: LENGTHS[n][row], row]
        encoder = p["encoders"][n]
        if "embed" in encoder:
            xs = encoder["embed"]["embedding"][xs]
        ys = oracle.encoded(oracle.layers_of(encoder["recurrent"]["params"]), xs)
        ys = ys.reshape(len(ys), F)
        split = 2 if n == 0 else F
        end = [ys[-1][:split], ys[0][split:]] if len(ys) else [np.zeros(F)]
        parts.append(ys)
        ends += end
    memory = np.concatenate(parts)
    told = {"summary": np.concatenate(ends), "scorer": scorer, "fed": case == "soft_fed"}
    return oracle.told(context, p, memory, before, **told)


def positions(row):
    """Where in a padded memory the positions of an example are that count."""
    return [*range(LENGTHS[0][row]), *(STEPS[0] + n for n in range(LENGTHS[1][row]))]


def numbers(params):
    return jax.tree.map(np.asarray, nnx.to_pure_dict(params))


@every_case
def test_symbols_are_scored_by_the_equations_read_at_once_or_one_by_one(case):
    _, params = make(case)
    sources, targets = problem(garbage=np.nan)
    (total, (count, reading, stepwise)), _ = call(case, params, sources, targets)
    before = np.concatenate([np.full((1, B), START), targets[:-1]])
    nats = 0.0
    for row in range(B):
        told = by_hand(case, numbers(params), sources, before[:, row], row)
        for logits, glance in ((reading.logits, reading.glances), stepwise):
            np.testing.assert_allclose(logits[:, row], told.logits, rtol=1e-10, atol=1e-10)
            if told.weights is None:
                assert glance.weights is None
                continue
            weights = np.zeros((T, sum(STEPS)))
            weights[:, positions(row)] = told.weights
            np.testing.assert_allclose(glance.weights[:, row], weights, atol=1e-12)
            assert (np.asarray(glance.weights[:, row])[weights == 0] == 0).all()
            np.testing.assert_allclose(glance.gate[:, row], told.gates, atol=1e-12)
        gains = oracle.log_likelihoods(told.logits, targets[:, row])
        nats -= gains[: TARGET_LENGTHS[row]].sum()
    assert float(total) == pytest.approx(nats, rel=1e-10)
    assert count == TARGET_LENGTHS.sum()


@every_case
def test_what_is_masked_has_no_influence_and_no_gradient(case):
    _, params = make(case)
    clean, broken = (
        call(case, params, *problem(garbage=garbage)) for garbage in (0.0, np.nan)
    )  # fmt: skip
    jax.tree.map(np.testing.assert_array_equal, clean, broken)
    _, (by_params, by_vectors) = broken
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(by_params))
    masked = ~problem()[0][1].mask
    assert (np.asarray(by_vectors)[masked] == 0).all()
    assert np.abs(by_vectors)[~masked].min() > 0


@every_case
def test_the_gradient_is_the_limit_of_differences(case):
    _, params = make(case)
    sources, targets = problem()
    _, gradients = call(case, params, sources, targets)
    rng = np.random.default_rng(2)
    given = (params, sources[1].inputs)
    for _ in range(2):
        change = jax.tree.map(lambda x: rng.normal(size=x.shape), given)
        there, back = (
            run(case)(*jax.tree.map(lambda x, d, h=h: x + h * d, given, change), sources, targets)
            for h in (1e-6, -1e-6)
        )
        products = jax.tree.map(lambda g, d: np.sum(np.asarray(g) * d), gradients, change)
        slope = float(there[0][0] - back[0][0]) / 2e-6
        assert sum(jax.tree.leaves(products)) == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_remat_changes_no_number():
    _, params = make("soft")
    plain, again = (
        call("soft", params, *problem(), remat=remat) for remat in ("none", "gates")
    )  # fmt: skip
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13), plain, again
    )


@functools.partial(jit, static_argnums=0, static_argnames="gradient")
def training_loss(graph, params, features, mask, targets, key, **hard):
    """Of a memory of any features, with its gradient."""

    def loss(params, features):
        model = nnx.merge(graph, params)
        memory = model.make_memory(features, mask, jnp.zeros((len(features), 2 * F)))
        reading = model.teacher_forced(
            memory, targets, jax.random.split(key, 4), HardTraining(**hard)
        )
        return jnp.sum(jnp.sin(reading.logits)), reading

    return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(params, features)


@pytest.mark.parametrize(
    ("case", "gradient"),
    [("soft", "gumbel"), ("soft_dot", "gumbel"), ("hard", "gumbel"), ("hard", "reinforce")],
)
def test_a_memory_may_hold_anything_where_it_is_masked_and_be_masked_altogether(case, gradient):
    graph, params = make(case)
    rng = np.random.default_rng(3)
    features, targets = rng.normal(size=(B, 4, F)), rng.integers(0, V, (T, B))
    mask = np.array([[True, False, True, True], [False] * 4, [False, True, False, False]])
    results = []
    for garbage in (0.0, np.nan, -np.inf):
        given = np.where(mask[..., None], features, garbage)
        results.append(
            training_loss(graph, params, given, mask, targets, jax.random.key(0),
                          gradient=gradient, temperature=0.2, soft_rate=0.3)
        )  # fmt: skip
    for found in results[1:]:
        jax.tree.map(np.testing.assert_array_equal, found, results[0])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(results[0]))
    (_, reading), (_, by_features) = results[0]
    assert (np.asarray(by_features)[~mask] == 0).all()
    assert (np.asarray(reading.glances.weights)[:, ~mask] == 0).all()
    sums = np.asarray(reading.glances.weights).sum(axis=-1)
    np.testing.assert_allclose(sums, np.broadcast_to([1, 0, 1], sums.shape), atol=1e-12)


def test_hard_attention_in_training():
    """Soft at a rate of 1; otherwise the entropy and the reward of what was drawn count too."""
    graph, params = make("hard")
    soft_graph, soft_params = make("like_hard")
    sources, targets = problem()
    key = jax.random.key(0)

    @functools.partial(jit, static_argnums=0, static_argnames="gradient")
    def loss(graph, params, **hard):
        model = nnx.merge(graph, params)
        hard = HardTraining(**hard)
        found = seq2seq_loss(model, sources, targets, MASK, key, start=START, hard=hard)
        return found[0], model(sources, shift_right(targets, START), key, hard)

    soft, _ = loss(soft_graph, soft_params)
    assert float(loss(graph, params, soft_rate=1.0)[0]) == pytest.approx(float(soft), rel=1e-12)
    drawn = {"soft_rate": 0.5, "reward_weight": 0.7, "entropy_weight": 0.3}
    found, reading = loss(graph, params, **drawn)
    counted = MASK & np.asarray(reading.drawn)
    assert 0 < np.asarray(reading.drawn).sum() < B
    gains = np.take_along_axis(
        np.log(oracle.softmax(np.asarray(reading.logits))), targets[..., None], axis=-1
    )[..., 0]
    gains = np.where(MASK, gains, 0)
    chances = oracle.softmax(np.asarray(reading.glances.scores))
    expected = -gains.sum()
    for t, row in zip(*np.nonzero(counted), strict=True):
        p = chances[t, row][positions(row)]
        where = np.asarray(reading.glances.weights)[t, row][positions(row)].argmax()
        expected -= 0.7 * gains[t:, row].sum() * np.log(p[where]) - 0.3 * (p * np.log(p)).sum()
    assert float(found) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("case", ["every_step", "soft_fed", "hard"])
def test_greedy_and_beam_search_find_what_enumeration_finds(case):
    graph, params = make(case)
    sources, _ = problem()
    length = 3

    @jit
    def begin(params):
        model = nnx.merge(graph, params)
        memory = model.memory(sources)
        return memory, model.initial_carry(memory)

    memory, carry = begin(params)
    step, start = decoding_step(graph, never=(START,)), jnp.full(B, START)
    given = {"max_length": length, "stop": STOP}
    wide = decode.beam_search(step, (params, memory), carry, start, beam_size=60, **given)
    greedy = decode.beam_search(step, (params, memory), carry, start, beam_size=1, **given)
    for row in range(B):
        ranking = {}
        for tokens in itertools.product(range(V - 1), repeat=length):
            end = tokens.index(STOP) + 1 if STOP in tokens else length
            told = by_hand(case, numbers(params), sources, [START, *tokens[:-1]], row)
            told.logits[:, START] = -600
            gains = oracle.log_likelihoods(told.logits, tokens)[:end]
            ranking[(*tokens[:end], *[STOP] * (length - end))] = gains.sum() / end
            chosen = told.logits[range(end), tokens[:end]] == told.logits[:end].max(axis=1)
            if chosen.all():
                assert tuple(greedy.tokens[row, 0].tolist())[:end] == tokens[:end]
        best = sorted(ranking, key=ranking.get, reverse=True)
        found = [tuple(tokens) for tokens in wide.tokens[row, : len(best)].tolist()]
        assert found == best
        np.testing.assert_allclose(
            wide.scores[row, : len(best)], [ranking[t] for t in best], rtol=1e-5
        )


def test_noise_needs_a_key():
    graph, params = make("soft", dropout=0.5)
    sources, targets = problem()
    read = jit(
        lambda key: nnx.merge(graph, params)(sources, shift_right(targets, START), key).logits
    )
    whole = call("soft", make("soft")[1], sources, targets)[0][1][1].logits
    np.testing.assert_allclose(read(None), whole, rtol=1e-12)
    one, again, other = (read(jax.random.key(n)) for n in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)


def test_own_symbols_are_those_that_the_decoder_expects_after_what_it_has_read():
    """With sharp logits, draws are the likeliest symbols; read by numpy, a row after the other."""
    graph, params = make("soft")
    params["head"]["kernel"].set_value(params["head"]["kernel"].get_value() * 1e6)
    params["head"]["bias"].set_value(params["head"]["bias"].get_value() * 1e6)
    sources, targets = problem()
    before = shift_right(targets, START)

    @jit
    def mixed(params, rate):
        model = nnx.merge(graph, params)
        return with_own_symbols(model, model.memory(sources), before, jax.random.key(3), rate)

    np.testing.assert_array_equal(mixed(params, 0.0), before)
    kinds = []
    for rate in (0.5, 1.0):
        found = np.asarray(mixed(params, rate))
        for row in range(B):
            told = by_hand("soft", numbers(params), sources, found[:, row], row)
            own = np.concatenate([[START], told.logits.argmax(axis=1)[:-1]])
            is_own = found[:, row] == own
            assert (is_own | (found[:, row] == before[:, row])).all()
            kinds.append(is_own)
            assert rate < 1 or is_own.all()
    assert not np.all(kinds)


def test_an_slstm_that_starts_from_the_memory_divides_by_no_number_near_0():
    cell = rnnjax.stack([rnnjax.slstm(F), rnnjax.slstm(F)])
    model = Decoder(V, cell, context="initial", memory_size=D, embed_size=3, rngs=nnx.Rngs(0))
    features, xs = (np.random.default_rng(0).normal(size=(50, 4, size)) for size in (D, 3))
    memory = model.make_memory(jnp.asarray(5 * features))
    _, ys = model.recurrent(jnp.asarray(xs).swapaxes(0, 1), model.initial_carry(memory))
    assert np.abs(ys).max() < 1
