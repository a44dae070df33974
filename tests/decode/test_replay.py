"""What a step saw along sequences, against the search that found them and a plain loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import decode
from rnnjax.errors import UserError

ROWS, PLACES, SYMBOLS, STOP = 3, 5, 4, 0


def look(features, carry, tokens):
    """Draws one place of its row by the key in the carry; the place decides the logits."""
    pairs = jax.vmap(jax.random.split)(carry["key"])
    read = 0.5 * carry["read"] + tokens.astype(jnp.float32)
    scores = jnp.sin(read[:, None] * jnp.arange(1.0, PLACES + 1))
    place = jax.vmap(jax.random.categorical)(pairs[:, 0], scores)
    source = jnp.arange(len(tokens)) // (len(tokens) // len(features))
    return place, features[source, place], {"key": pairs[:, 1], "read": read}


def decoding_step(features, carry, tokens):
    _, logits, carry = look(features, carry, tokens)
    return logits, carry


def looking_step(features, carry, tokens):
    place, logits, carry = look(features, carry, tokens)
    return {"place": place, "logits": logits}, carry


def start():
    features = 2 * np.random.default_rng(0).standard_normal((ROWS, PLACES, SYMBOLS))
    carry = {"key": jax.random.split(jax.random.key(5), ROWS), "read": jnp.zeros(ROWS)}
    return jnp.asarray(features, jnp.float32), carry, jnp.arange(1, ROWS + 1, dtype=jnp.int32)


def test_the_places_drawn_are_those_of_the_search():
    """Their logits give the log-probabilities that the search found, so no draw differs."""
    features, carry, starts = start()
    found = decode.beam_search(
        decoding_step, features, carry, starts, beam_size=4, max_length=6, stop=STOP
    )
    seen = decode.replay(looking_step, features, carry, starts, found.tokens)
    gains = np.take_along_axis(
        np.asarray(jax.nn.log_softmax(seen["logits"])), np.asarray(found.tokens)[..., None], -1
    )[..., 0]
    inside = np.arange(6) < np.asarray(found.lengths)[..., None]
    np.testing.assert_allclose((gains * inside).sum(-1), found.log_probability, atol=1e-5)
    assert len(np.unique(found.lengths)) > 1
    np.testing.assert_array_equal(
        np.take_along_axis(
            np.asarray(features)[:, None], np.asarray(seen["place"])[..., None], axis=2
        ),
        seen["logits"],
    )
    best = decode.replay(looking_step, features, carry, starts, found.tokens[:, 0])
    np.testing.assert_array_equal(best["place"], seen["place"][:, 0])


def test_against_a_plain_loop():
    features, carry, starts = start()
    tokens = np.random.default_rng(1).integers(0, SYMBOLS, (ROWS, 2, 5))
    seen = decode.replay(looking_step, features, carry, starts, tokens)
    look_once = jax.jit(look)
    for row in range(ROWS):
        for k in range(2):
            alone = jax.tree.map(lambda leaf, row=row: leaf[row : row + 1], carry)
            read = [starts[row], *tokens[row, k, :-1]]
            for t, last in enumerate(read):
                place, logits, alone = look_once(features[row : row + 1], alone, jnp.array([last]))
                assert seen["place"][row, k, t] == place[0]
                np.testing.assert_allclose(seen["logits"][row, k, t], logits[0])


@pytest.mark.parametrize("shape", [(ROWS,), (ROWS + 1, 2), (ROWS, 0), (ROWS, 1, 1, 1)])
def test_shapes_that_do_not_fit(shape):
    features, carry, starts = start()
    with pytest.raises(UserError, match="tokens have shape"):
        decode.replay(looking_step, features, carry, starts, np.zeros(shape, int))
