"""The problems against their definitions, and the splits against each other."""

import re

import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.long_range import agreement, preparation
from rnnjax.tasks.long_range.config import LongRangeConfig
from rnnjax.tasks.long_range.problems import PROBLEMS

NUMBER = {word: n for pair in agreement.NOUNS for n, word in enumerate(pair)}
CLAUSE = re.compile(r"that the (?:old |young |small |happy )?(\w+) (\w+)")


def rng(*seed):
    return np.random.default_rng(seed)


def examples(problem, distance, num=400):
    return [PROBLEMS[problem].draw(distance, rng(7, n)) for n in range(num)]


def config(**fields):
    return LongRangeConfig(**{"problem": "adding", "length": 6, **fields})


@pytest.mark.parametrize("length", [2, 9])
def test_adding_marks_a_number_of_each_half(length):
    places = set()
    for example in examples("adding", length):
        numbers, marks = example["inputs"].T
        assert example["inputs"].shape == (length, 2)
        first, second = np.flatnonzero(marks).tolist()
        assert first < length // 2 <= second
        assert marks.sum() == 2
        assert example["targets"] == pytest.approx(float(numbers[first]) + float(numbers[second]))
        assert ((numbers >= 0) & (numbers < 1)).all()
        places |= {first, second}
    assert places == set(range(length))


def test_the_guess_of_adding_is_right_as_often_as_calculated():
    """|a + b - 1| < d for two uniform numbers: 1 - (1 - d)^2."""
    found = PROBLEMS["adding"].guess(examples("adding", 4, 4000))
    assert found == pytest.approx(100 * (1 - 0.96**2), abs=1.2)


def test_copy_asks_for_the_symbols_after_the_wait():
    seen = set()
    for example in examples("copy", 5, 100):
        inputs, targets = example["inputs"].tolist(), example["targets"].tolist()
        symbols = inputs[:10]
        assert inputs[10:] == [0] * 4 + [9] + [0] * 10
        assert targets == [0] * 15 + symbols
        seen |= set(symbols)
    assert seen == set(range(1, 9))
    assert PROBLEMS["copy"].guess(examples("copy", 5)) == pytest.approx(100 / 8, abs=2)


@pytest.mark.parametrize("distance", [0, 1, 2, 7, 16])
def test_the_verb_agrees_with_a_subject_at_its_distance(distance):
    numbers, nearest_right = [], []
    for example in examples("agreement", distance):
        words = agreement.decode(example["inputs"])
        assert len(words) == distance + 2
        assert words[0] == "the"
        assert example["targets"] == NUMBER[words[1]]
        nouns = [word for word in words if word in NUMBER]
        assert example["nearest"] == NUMBER[nouns[-1]]
        for noun, verb in CLAUSE.findall(" ".join(words[2:])):
            assert (verb[-1] == "s") == (NUMBER[noun] == 0), words
        numbers.append(example["targets"])
        if len(nouns) > 1:
            nearest_right.append(example["targets"] == example["nearest"])
    assert np.mean(numbers) == pytest.approx(0.5, abs=0.1)
    if distance > 2:
        assert np.mean(nearest_right) == pytest.approx(0.5, abs=0.1)


def test_nothing_between_subject_and_verb_tells_the_number():
    """The two numbers of the subject are followed by the same words when drawn alike."""
    rest = {0: set(), 1: set()}
    for example in examples("agreement", 4, 3000):
        rest[int(example["targets"])].add(tuple(example["inputs"][2:].tolist()))
    shared = len(rest[0] & rest[1]) / min(map(len, rest.values()))
    assert shared > 0.25


@pytest.mark.parametrize("problem", list(PROBLEMS))
def test_splits_differ_and_are_the_same_in_every_run(problem):
    parts = {
        name: preparation.split_examples(config(problem=problem), name)
        for name in ("train", "validation", "test")
    }
    # Of the longest, which two splits do not share by chance.
    inputs = {name: part.get(6)["inputs"].tobytes() for name, part in parts.items()}
    inputs["far"] = preparation.examples_at(config(problem=problem), 6).get(6)["inputs"].tobytes()
    assert len(set(inputs.values())) == 4
    again = preparation.split_examples(config(problem=problem, seed=5), "test").get(6)
    np.testing.assert_array_equal(again["inputs"], parts["test"].get(6)["inputs"])


def test_training_draws_new_examples_in_every_epoch():
    first, second = preparation.prepare(config()).batches, preparation.prepare(config()).batches
    per_epoch = first.batches_per_epoch
    np.testing.assert_array_equal(first[3]["inputs"], second[3]["inputs"])
    seen = {first[n]["targets"].tobytes() for n in (0, 1, per_epoch, per_epoch + 1)}
    assert len(seen) == 4
    held_out = preparation.split_examples(config(), "validation")
    targets = {float(held_out.get(n)["targets"]) for n in range(held_out.size)}
    assert not targets & set(first[0]["targets"].tolist())


def test_a_batch_of_sentences_has_little_padding():
    batches = preparation.prepare(config(problem="agreement", length=16)).batches
    share = batches.padding_share("inputs")
    assert 0 < share < 0.2


def test_distances_of_the_test_reach_beyond_training():
    assert preparation.test_distances(config(length=100)) == [25, 50, 100, 200]
    assert preparation.test_distances(config(length=3)) == [2, 3, 6]


@pytest.mark.parametrize(
    ("problem", "text", "words"),
    [
        ("adding", "0.1 0.5* 0.3", "two with a star"),
        ("adding", "0.1* x*", "numbers from 0 to 1"),
        ("adding", "0.1* 1.5*", "numbers from 0 to 1"),
        ("adding", "", "numbers from 0 to 1"),
        ("copy", "123", "10 digits from 1 to 8; got '123'"),
        ("copy", "1234567890", "10 digits from 1 to 8"),
        ("agreement", "the cast", "no word 'cast'; did you mean 'cat'"),
        ("agreement", " ", "the words before the verb; got none"),
    ],
)
def test_an_example_that_cannot_be_read_is_told(problem, text, words):
    with pytest.raises(UserError, match=re.escape(words)):
        PROBLEMS[problem].read(text, 5)


def test_an_example_of_a_user_is_read_as_one_that_is_drawn():
    adding = PROBLEMS["adding"].read("0.25 0.5* 1 0*", 4)
    np.testing.assert_array_equal(adding, [[0.25, 0], [0.5, 1], [1, 0], [0, 1]])
    drawn = examples("copy", 5, 1)[0]["inputs"]
    text = "".join(map(str, drawn[:10]))
    np.testing.assert_array_equal(PROBLEMS["copy"].read(text, 5), drawn)
    drawn = examples("agreement", 9, 1)[0]["inputs"]
    text = " ".join(agreement.decode(drawn)).capitalize()
    np.testing.assert_array_equal(PROBLEMS["agreement"].read(text, 5), drawn)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"problem": "ading"}, "unknown --config.problem=ading; did you mean 'adding'"),
        ({"length": 1}, "--config.length of the problem adding is 2 or more; got 1"),
        ({"problem": "copy", "length": 0}, "of the problem copy is 1 or more; got 0"),
        ({"length": 10**6}, "--config.length is at most 100,000"),
    ],
)
def test_settings_that_cannot_work_are_told(fields, words):
    with pytest.raises(UserError, match=words):
        config(**fields).validate()
