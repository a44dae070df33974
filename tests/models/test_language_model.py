"""The language model over windows, steps and documents, against plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax.models import LanguageModel, window_loss

V, B, H = 7, 2, 5
# A program each, where every operation would be compiled alone.
run = nnx.jit(lambda model, *given, **named: model(*given, **named))
step = nnx.jit(lambda model, *given: model.step(*given))
loss_of = nnx.jit(window_loss, static_argnames=("window", "ar", "tar"))


def make(cell=None, seed=0):
    cell = cell or rnnjax.stack([rnnjax.lstm(H), rnnjax.gru(H)])
    return LanguageModel(V, cell, embed_size=3, rngs=nnx.Rngs(seed))


def in_float64(model):
    graph, params = nnx.split(model)
    model = nnx.merge(graph, jax.tree.map(lambda p: p.astype(jnp.float64), params))
    model.embed.dtype = jnp.float64
    return model


def tokens(length, seed=0):
    return jnp.asarray(np.random.default_rng(seed).integers(V, size=(length, B)), jnp.int32)


def batch(length, seed=0, **given):
    """A window whose targets are the tokens one step later."""
    symbols = tokens(length + 1, seed)
    shape = (length, B)
    plain = {"reset": jnp.zeros(shape, bool), "mask": jnp.ones(shape, bool)}
    return {"inputs": symbols[:-1], "targets": symbols[1:], **plain, **given}


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_steps_give_the_logits_of_the_whole_sequence(name):
    model = make(getattr(rnnjax, name)(H))
    symbols = tokens(11)
    whole, last = run(model, symbols, model.initial_carry(B))
    carry = model.initial_carry(B)
    for t, symbol in enumerate(symbols):
        logits, carry = step(model, symbol, carry)
        np.testing.assert_allclose(logits, whole[t], atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), carry, last)


def test_resets_begin_a_new_document():
    model = make()
    symbols = tokens(9)
    reset = jnp.zeros((9, B), bool).at[4, 1].set(True)
    logits, _ = run(model, symbols, model.initial_carry(B), reset=reset)
    fresh, _ = run(model, symbols[4:], model.initial_carry(B))
    plain, _ = run(model, symbols, model.initial_carry(B))
    np.testing.assert_allclose(logits[4:, 1], fresh[:, 1], atol=1e-6)
    np.testing.assert_allclose(logits[:, 0], plain[:, 0], atol=1e-6)
    assert np.abs(logits[4:, 1] - plain[4:, 1]).max() > 1e-3


def loss_by_steps(model, window, carry):
    """The definition: a loop over steps."""
    total = 0.0
    for t in range(len(window["inputs"])):
        fresh = model.initial_carry(B)
        reset = window["reset"][t][:, None]
        carry = jax.tree.map(lambda f, c, r=reset: jnp.where(r, f, c), fresh, carry)
        logits, carry = model.step(window["inputs"][t], carry)
        chosen = logits[jnp.arange(B), window["targets"][t]]
        losses = jnp.log(jnp.sum(jnp.exp(logits), axis=1)) - chosen
        total += jnp.sum(jnp.where(window["mask"][t], losses, 0.0))
    return total, carry


@pytest.mark.parametrize(("k1", "k2"), [(3, 3), (2, 5)])
def test_truncated_bptt_is_its_definition(k1, k2):
    """TBPTT(k1, k2) over three windows: each window starts from the carry k1 steps on.

    The loss of a window is that of its newest k1 steps, and its gradient goes back over all its
    k2 steps, and not beyond: the carry that it starts from is a constant.
    """
    with jax.enable_x64(True):
        model = in_float64(make(rnnjax.lstm(H)))
        graph, params = nnx.split(model)
        text = tokens(k2 + 2 * k1 + 1, seed=3)
        documents = jnp.zeros((len(text) - 1, B), bool).at[k1 + 1, 0].set(True)
        carry = expected_carry = model.initial_carry(B)

        def of_window(params, window, carry):
            total, count, after = window_loss(nnx.merge(graph, params), carry, window, window=k1)
            return total, (count, after)

        def of_steps(params, window, carry):
            return loss_by_steps(nnx.merge(graph, params), window, carry)

        ours = jax.jit(jax.value_and_grad(of_window, has_aux=True))
        definition = jax.jit(jax.value_and_grad(of_steps, has_aux=True))
        for n in range(3):
            places = slice(n * k1, n * k1 + k2)
            mask = jnp.ones((k2, B), bool)
            if n:
                mask = mask.at[: k2 - k1].set(False)
            window = {
                "inputs": text[:-1][places],
                "targets": text[1:][places],
                "reset": documents[places],
                "mask": mask,
            }

            (total, (count, carry)), gradient = ours(params, window, carry)
            (expected, _), expected_gradient = definition(params, window, expected_carry)
            np.testing.assert_allclose(total, expected, rtol=1e-12)
            assert count == mask.sum()
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12),
                gradient,
                expected_gradient,
            )
            first = {key: value[:k1] for key, value in window.items()}
            (_, expected_carry), _ = definition(params, first, expected_carry)
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), carry, expected_carry
            )


def test_nothing_flows_past_a_window():
    model = make()
    graph, params = nnx.split(model)
    first, second = batch(4, seed=1), batch(4, seed=2)

    def through_both(start):
        *_, carry = window_loss(model, start, first)
        return window_loss(model, carry, second)[0]

    def into_the_window(start):
        return window_loss(model, start, first)[0]

    start = model.initial_carry(B)
    for flow in (through_both, into_the_window):
        assert not any(leaf.any() for leaf in jax.tree.leaves(jax.jit(jax.grad(flow))(start)))

    def carry_out(params):
        *_, carry = window_loss(nnx.merge(graph, params), start, first)
        return sum(leaf.sum() for leaf in jax.tree.leaves(carry))

    assert not any(leaf.any() for leaf in jax.tree.leaves(jax.jit(jax.grad(carry_out))(params)))


def test_a_key_turns_the_noise_on():
    model = make(rnnjax.stack([rnnjax.lstm(H), rnnjax.dropout(0.5)]))
    window, carry = batch(6), model.initial_carry(B)
    losses = [
        float(loss_of(model, carry, window, key)[0])
        for key in (None, None, jax.random.key(0), jax.random.key(1))
    ]
    assert losses[0] == losses[1]
    assert len(set(losses)) == 3


@pytest.mark.parametrize("graph", [True, False])
def test_it_trains_under_both_flax_modes(graph):
    """As a graph, and as a plain tree: `jax.grad` and `jax.jit` straight over the module."""
    window = batch(6)

    @jax.jit
    def loss(params):
        model = nnx.merge(graphdef, params)
        return window_loss(model, model.initial_carry(B), window)[0]

    with nnx.set_graph_mode(graph):
        model = make()
        graphdef, params = nnx.split(model, nnx.Param)
        gradient = jax.grad(loss)(params)
        moved = jax.tree.map(lambda p, g: p - 1e-2 * g, params, gradient)
        assert loss(moved) < loss(params)
        np.testing.assert_allclose(
            loss(params), window_loss(model, model.initial_carry(B), window)[0], rtol=1e-6
        )


def tied(cell=None, **options):
    return LanguageModel(
        V, cell or rnnjax.lstm(H), embed_size=H, tied=True, rngs=nnx.Rngs(1), **options
    )


def test_tied_logits_are_products_with_the_vectors_of_the_tokens():
    model = tied()
    model.bias.set_value(jnp.arange(V, dtype=jnp.float32))
    symbols, vectors = tokens(6), np.float64(model.embed.embedding.get_value())
    logits, _ = model(symbols, model.initial_carry(B))
    cell, params = model.recurrent.cell, model.recurrent.params.get_value()
    _, ys = rnnjax.unroll_reference(cell, params, jnp.float32(vectors)[symbols])
    np.testing.assert_allclose(logits, np.float64(ys) @ vectors.T + np.arange(V), atol=1e-5)
    step_logits, _ = model.step(symbols[0], model.initial_carry(B))
    np.testing.assert_allclose(step_logits, logits[0], atol=1e-6)


def test_the_gradient_of_tied_vectors_is_that_of_both_their_uses():
    """Against the same network with a head of its own whose matrix is equal."""
    model, window = tied(), batch(5)
    free = LanguageModel(V, rnnjax.lstm(H), embed_size=H, rngs=nnx.Rngs(1))
    free.head.kernel.set_value(model.embed.embedding.get_value().T)

    def gradient(model):
        def mean(model):
            total, count, _ = window_loss(model, model.initial_carry(B), window)
            return total / count

        return nnx.to_pure_dict(nnx.jit(nnx.grad(mean))(model))

    one, two = gradient(model), gradient(free)
    both = two["embed"]["embedding"] + two["head"]["kernel"].T
    np.testing.assert_allclose(one["embed"]["embedding"], both, atol=1e-6)
    np.testing.assert_allclose(one["bias"], two["head"]["bias"], atol=1e-6)


def test_dropped_symbols_are_zero_wherever_they_stand_and_the_others_grow():
    """With a cell that passes its input on, the logits before the bias are products of vectors."""
    same = rnnjax.dropout(0.0)
    model = LanguageModel(V, same, embed_size=H, tied=True, embed_dropout=0.5, rngs=nnx.Rngs(1))
    vectors = np.asarray(model.embed.embedding.get_value())
    symbols, carry = tokens(40), model.initial_carry(B)
    seen = set()
    for seed in range(20):
        logits, _ = run(model, symbols, carry, key=jax.random.key(seed))
        for symbol in range(V):
            of_symbol = np.asarray(logits)[np.asarray(symbols) == symbol]
            kept = bool(np.abs(of_symbol).max() > 0)
            expected = vectors[symbol] @ vectors.T * (2 * kept)
            np.testing.assert_allclose(
                of_symbol, expected[None].repeat(len(of_symbol), 0), atol=1e-5
            )
            seen.add((symbol, kept))
    assert len(seen) == 2 * V
    logits, _ = run(model, symbols, carry)
    np.testing.assert_allclose(logits, vectors[symbols] @ vectors.T, atol=1e-5)


def test_tied_weights_need_outputs_as_wide_as_the_vectors():
    with pytest.raises(rnnjax.UserError, match=r"lstm\(6\) has 6 outputs; embed_size is 5"):
        tied(rnnjax.lstm(6))


def test_a_masked_window_is_the_short_one_and_hands_on_the_carry_of_its_end():
    model, length, full = make(), 5, 8
    carry = jax.tree.map(lambda c: c + 0.1, model.initial_carry(B))
    short = batch(length)
    rest = {name: jnp.zeros((full - length, B), x.dtype) for name, x in short.items()}
    padded = {name: jnp.concatenate([short[name], rest[name]]) for name in short}
    padded["lengths"] = jnp.full(B, length, jnp.int32)
    found, expected = loss_of(model, carry, padded), loss_of(model, carry, short)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, expected)


def test_symbols_may_be_bytes():
    model = LanguageModel(256, rnnjax.rnn(H), embed_size=3, rngs=nnx.Rngs(0))
    given = batch(5, mask=jnp.zeros((5, B), bool).at[4].set(True))
    narrow = given | {"inputs": given["inputs"].astype(jnp.uint8)}
    losses = [loss_of(model, model.initial_carry(B), one)[0] for one in (given, narrow)]
    np.testing.assert_array_equal(*losses)


def test_penalties_are_of_the_outputs_with_and_without_dropout():
    """The dropped outputs are the plain ones, zero or grown by 4 / 3, one mask a sequence."""
    model = LanguageModel(V, rnnjax.gru(H), embed_size=3, output_dropout=0.25, rngs=nnx.Rngs(0))
    given, carry, key = batch(6), model.initial_carry(B), jax.random.key(1)
    given["mask"] = given["mask"].at[4:, 0].set(False)
    raw, dropped, _ = model.outputs(given["inputs"], carry, reset=given["reset"], key=key)
    kept = np.asarray(dropped != 0)
    np.testing.assert_allclose(dropped, np.where(kept, raw / 0.75, 0), rtol=1e-6)
    np.testing.assert_array_equal(kept, np.tile(kept[:1], (6, 1, 1)))
    assert 0 < kept[0].sum() < B * H
    key = next(iter(jax.random.split(jax.random.key(2), 2)))
    raw, dropped, _ = model.outputs(given["inputs"], carry, reset=given["reset"], key=key)
    raw, dropped, mask = (np.asarray(x, np.float64) for x in (raw, dropped, given["mask"]))
    square = sum((dropped[t, b] ** 2).mean() for t, b in zip(*np.nonzero(mask), strict=True))
    change = sum(
        ((raw[t + 1, b] - raw[t, b]) ** 2).mean()
        for t, b in np.ndindex(5, B)
        if mask[t, b] and mask[t + 1, b]
    )
    loss = [
        float(loss_of(model, carry, given, jax.random.key(2), ar=ar, tar=tar)[0])
        for ar, tar in ((0, 0), (2, 0), (0, 3))
    ]
    assert loss[1] - loss[0] == pytest.approx(2 * square, rel=1e-4)
    assert loss[2] - loss[0] == pytest.approx(3 * change, rel=1e-4)
    assert loss_of(model, carry, given, ar=2, tar=3)[0] == loss_of(model, carry, given)[0]
