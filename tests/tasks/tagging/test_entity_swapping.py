"""Entities that give way to others of their type."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.tasks.tagging.preparation import entity_inventory, swap_entities
from rnnjax.tasks.tagging.schemes import faults, spans_of
from rnnjax.tasks.tagging.sentences import Sentence


def sentence(text):
    """`Marie/B-PER Curie/I-PER left`: what has no tag is O."""
    pairs = [word.partition("/")[::2] for word in text.split()]
    tokens, tags = zip(*pairs, strict=True)
    return Sentence(tokens, tuple(tag or "O" for tag in tags), "f:1")


TRAIN = [
    sentence("Marie/B-PER Curie/I-PER met Ada/B-PER in Paris/B-LOC"),
    sentence("Ada/B-PER and J./B-PER R./I-PER Smith/I-PER"),
]


def outside(s):
    return [token for token, tag in zip(s.tokens, s.tags, strict=True) if tag == "O"]


def found(s):
    return [(s.tokens[a:b], kind) for a, b, kind in spans_of(s.tags)]


def test_the_inventory_has_each_entity_once():
    assert entity_inventory(TRAIN) == {
        "PER": (("Marie", "Curie"), ("Ada",), ("J.", "R.", "Smith")),
        "LOC": (("Paris",),),
    }


def test_rate_0_changes_nothing_and_rate_1_all_that_it_can():
    inventory, rng = entity_inventory(TRAIN), np.random.default_rng(0)
    for _ in range(20):
        assert swap_entities(TRAIN[0], inventory, rng, 0.0) == TRAIN[0]
        swapped = swap_entities(TRAIN[0], inventory, rng, 1.0)
        (first, _), (second, _), (third, _) = found(swapped)
        assert first != ("Marie", "Curie")
        assert second != ("Ada",)
        assert third == ("Paris",)


def test_an_unknown_type_or_entity():
    rng = np.random.default_rng(0)
    s = sentence("Rome/B-LOC fell/B-EVENT")
    inventory = entity_inventory(TRAIN)
    assert swap_entities(s, inventory, rng, 1.0) == sentence("Paris/B-LOC fell/B-EVENT")


words = st.lists(
    st.sampled_from(["Ada/B-PER", "J./B-PER R./I-PER Smith/I-PER", "Paris/B-LOC", "met", "X/B-Z"]),
    min_size=1,
)


@given(words, st.integers(0, 2**32), st.floats(0, 1))
def test_all_but_the_entities_stays(words, seed, rate):
    s, inventory = sentence(" ".join(words)), entity_inventory(TRAIN)
    swapped = swap_entities(s, inventory, np.random.default_rng(seed), rate)
    assert swapped == swap_entities(s, inventory, np.random.default_rng(seed), rate)
    assert len(swapped.tokens) == len(swapped.tags)
    assert outside(swapped) == outside(s)
    assert [kind for _, kind in found(swapped)] == [kind for _, kind in found(s)]
    assert faults(swapped.tags, "BIO") == []
    assert swapped.source == s.source
    for (new, kind), (old, _) in zip(found(swapped), found(s), strict=True):
        assert new == old or new in inventory[kind]


def test_the_rate_and_the_choice_are_as_asked_for():
    inventory, rng = entity_inventory(TRAIN), np.random.default_rng(1)
    counts = Counter(found(swap_entities(TRAIN[1], inventory, rng, 0.6))[0][0] for _ in range(4000))
    # Binomial(4000, p): standard deviations of p are at most 0.008.
    assert counts[("Ada",)] / 4000 == pytest.approx(0.4, abs=0.035)
    assert counts[("Marie", "Curie")] / 4000 == pytest.approx(0.3, abs=0.035)
