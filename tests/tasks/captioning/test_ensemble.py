"""Captioners that write together, against each of them by itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnjax.errors import UserError
from rnnjax.models.memory import Glance
from rnnjax.tasks.captioning.captioner import Locations
from rnnjax.tasks.captioning.ensemble import CaptionEnsemble
from tests.tasks.captioning import tiny_captioner as tiny

MEMBERS = [("soft", "lstm"), ("hard", "gru"), ("initial", "rnn")]


@jax.jit
def mean_of_chances(logits):
    return jnp.log(sum(jax.nn.softmax(some) for some in logits) / len(logits))


def test_reading_and_writing_take_the_mean_of_what_the_members_hold_likely():
    members = [tiny.make(*member).whole for member in MEMBERS]
    batch = tiny.make_batch()
    readings = [member.read(batch) for member in members]
    expected = mean_of_chances([reading.logits for reading in readings])
    assert np.abs(expected - jax.nn.log_softmax(readings[0].logits)).max() > 0.1
    weights = (readings[0].glances.weights + readings[1].glances.weights) / 2

    ensemble = CaptionEnsemble(members)
    reading = ensemble.read(batch)
    np.testing.assert_allclose(reading.logits, expected, atol=1e-5)
    np.testing.assert_allclose(reading.glances.weights, weights, atol=1e-6)

    memories = ensemble.look(batch)
    carries = ensemble.initial_carry(memories)
    words = np.concatenate([np.full((1, tiny.B), 1), batch["words"][:-1]])
    for t, words_t in enumerate(words):
        logits, glance, carries = ensemble.step(memories, carries, jnp.asarray(words_t))
        np.testing.assert_allclose(logits, expected[t], atol=1e-5)
        np.testing.assert_allclose(glance.weights, weights[t], atol=1e-6)


def test_without_attention_nobody_looks():
    members = [tiny.make(decoder).whole for decoder in ("initial", "every_step")]
    assert CaptionEnsemble(members).read(tiny.make_batch()).glances == Glance()


def test_members_see_the_same_features():
    one = tiny.make("soft").whole
    other = nnx.clone(one)
    other.locations = Locations(3, 2, 5)
    with pytest.raises(UserError, match=r"rows=2, columns=3.* and .*rows=3, columns=2"):
        CaptionEnsemble([one, other])
