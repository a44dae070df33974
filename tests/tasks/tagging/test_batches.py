import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data.batch_iterator import iterator
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.batches import EvaluationBatches, TrainingBatches, in_order, padding_share
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary


def corpus(lengths):
    """Sentences of which every token is told from every other one, by word, letters and tag."""
    sentences = []
    for k, length in enumerate(lengths):
        tokens = tuple(chr(97 + k % 26) * (1 + k // 26) + chr(0x4E00 + n) for n in range(length))
        tags = tuple("OB"[n % 2] + "-X" * (n % 2) for n in range(length))
        sentences.append(Sentence(tokens, tags, f"a.conll:{k}", 0))
    return sentences, TaggingVocabulary.of(sentences, scheme="BIOES")


def assert_same(batch, other):
    assert set(batch) == set(other)
    for name in batch:
        np.testing.assert_array_equal(batch[name], other[name], err_msg=name)


def assert_holds(batch, sentences, vocabulary, buckets, batch_size):
    """A batch holds the sentences that it says, each token in its place, and nothing else."""
    length = batch["words"].shape[0]
    assert length in buckets
    assert {name: values.shape for name, values in batch.items()} == {
        "words": (length, batch_size),
        "case": (length, batch_size),
        "tags": (length, batch_size),
        "characters": (length, batch_size, vocabulary.word_length),
        "lengths": (batch_size,),
        "indices": (batch_size,),
    }
    assert {values.dtype.name for values in batch.values()} == {"int32"}
    for row, index in enumerate(batch["indices"].tolist()):
        tokens = sentences[index].tokens if index >= 0 else ()
        assert batch["lengths"][row] == len(tokens)
        for t in range(length):
            word = batch["words"][t, row]
            letters = [vocabulary.characters[c - 2] for c in batch["characters"][t, row] if c]
            tag = vocabulary.tags[batch["tags"][t, row]]
            if t < len(tokens):
                assert vocabulary.words[word - 2] == tokens[t]
                assert "".join(letters) == tokens[t]
                assert tag == ("S-X" if t % 2 else "O")
                assert batch["case"][t, row] > 0
            else:
                assert (word, letters, tag, batch["case"][t, row]) == (0, [], "O", 0)


cases = st.tuples(
    st.lists(st.integers(1, 9), min_size=1, max_size=14),
    st.integers(1, 4),
    st.sets(st.integers(1, 8)).map(lambda some: [*sorted(some), 9]),
)


@settings(max_examples=60)
@given(cases, st.integers(0, 3))
def test_every_sentence_comes_exactly_once_an_epoch(case, epoch):
    lengths, batch_size, buckets = case
    sentences, vocabulary = corpus(lengths)
    batches = TrainingBatches(sentences, vocabulary, batch_size=batch_size, buckets=buckets)
    first = epoch * batches.batches_per_epoch
    seen = []
    for n in range(batches.batches_per_epoch):
        batch = batches[first + n]
        assert_holds(batch, sentences, vocabulary, buckets, batch_size)
        held = batch["indices"][batch["indices"] >= 0].tolist()
        assert held
        # Each in the smallest bucket that holds it.
        for index in held:
            assert min(b for b in buckets if b >= lengths[index]) == len(batch["words"])
        seen += held
    assert sorted(seen) == list(range(len(lengths)))


@settings(max_examples=60)
@given(cases)
def test_evaluation_holds_every_sentence_once_and_results_come_back_in_order(case):
    lengths, batch_size, buckets = case
    sentences, vocabulary = corpus(lengths)
    batches = EvaluationBatches(sentences, vocabulary, batch_size=batch_size, buckets=buckets)
    assert len(list(batches)) == len(batches)
    sizes = []
    results = []
    for batch in batches:
        assert_holds(batch, sentences, vocabulary, buckets, batch_size)
        sizes += batch["lengths"][batch["indices"] >= 0].tolist()
        results.append((batch, batch["words"]))
    assert sizes == sorted(lengths)
    words = in_order(reversed(results))
    assert [[vocabulary.words[w - 2] for w in row] for row in words] == [
        list(s.tokens) for s in sentences
    ]
    # What has more axes, such as probabilities of every tag, comes whole.
    characters = in_order((batch, batch["characters"]) for batch in batches)
    for row, sentence in zip(characters, sentences, strict=True):
        np.testing.assert_array_equal(row, vocabulary.encode(sentence).characters)


def test_evaluation_ends():
    sentences, vocabulary = corpus([3, 2, 1])
    batches = EvaluationBatches(sentences, vocabulary, batch_size=2, buckets=[3])
    assert len(batches) == 2
    for index in (2, -1):
        with pytest.raises(IndexError):
            batches[index]


def test_long_sentences_are_never_cut(caplog):
    sentences, vocabulary = corpus([2, 11, 3])
    for kind in (EvaluationBatches, TrainingBatches):
        caplog.clear()
        batches = kind(sentences, vocabulary, batch_size=2, buckets=[2, 4])
        assert "the longest, a.conll:1, has 11" in caplog.text
        shown = [batches[n] for n in range(3)]
        assert sorted(len(batch["words"]) for batch in shown) == [2, 4, 16]
        for batch in shown:
            assert_holds(batch, sentences, vocabulary, [2, 4, 16], 2)


def test_the_order_is_a_function_of_seed_and_index():
    sentences, vocabulary = corpus([1 + n % 5 for n in range(60)])
    options = {"batch_size": 4, "buckets": [2, 5]}

    def order(seed, epoch):
        batches = TrainingBatches(sentences, vocabulary, seed=seed, **options)
        count = batches.batches_per_epoch
        return [batches[epoch * count + n]["indices"].tolist() for n in range(count)]

    assert order(1, 0) == order(1, 0)
    orders = [order(seed, epoch) for seed in (1, 2, -1) for epoch in (0, 1, 2)]
    assert all(a != b for n, a in enumerate(orders) for b in orders[:n])
    # Batches of the two buckets are mixed, and so are the sentences within a bucket.
    lengths = [len(sentences[max(rows)].tokens) > 2 for rows in order(1, 0)]
    assert sum(a != b for a, b in itertools.pairwise(lengths)) > 3
    assert sum(rows == sorted(rows) for rows in order(1, 0)) < 5


def test_batches_are_the_same_from_any_thread_and_in_any_order():
    sentences, vocabulary = corpus([1 + n % 5 for n in range(30)])
    options = {"batch_size": 4, "buckets": [2, 5], "seed": 5}
    straight = TrainingBatches(sentences, vocabulary, **options)
    expected = [straight[n] for n in range(3 * straight.batches_per_epoch)]
    jumping = TrainingBatches(sentences, vocabulary, **options)
    places = np.random.default_rng(0).permutation(len(expected)).tolist()
    with ThreadPoolExecutor(4) as pool:
        for n, batch in zip(places, pool.map(jumping.__getitem__, places), strict=True):
            assert_same(batch, expected[n])


def reverse_some(sentence, rng):
    """Another order of the tokens, half of the time; sometimes twice as long."""
    if rng.random() < 0.5:
        return sentence
    times = 2 if rng.random() < 0.5 else 1
    return Sentence(sentence.tokens[::-1] * times, sentence.tags[::-1] * times, "swapped", 0)


@pytest.mark.parametrize("transform", [None, reverse_some])
def test_an_iterator_resumes_exactly_where_its_state_says(transform):
    sentences, vocabulary = corpus([1 + n % 7 for n in range(25)])

    def batches():
        return TrainingBatches(
            sentences, vocabulary, batch_size=4, buckets=[3, 7], seed=9, transform=transform
        )

    straight = [batches()[n] for n in range(40)]
    first = iterator(batches())
    for n in range(17):
        assert_same(next(first), straight[n])
    state = json.loads(json.dumps(first.get_state()))
    next(first)
    second = iterator(batches())
    next(second)
    for resumed in (second, first):
        resumed.set_state(state)
        for n in range(17, 40):
            assert_same(next(resumed), straight[n])


def test_a_transform_makes_other_sentences_anew_in_every_epoch():
    sentences, vocabulary = corpus([3] * 12 + [4] * 12)
    batches = TrainingBatches(
        sentences, vocabulary, batch_size=4, buckets=[4, 6], transform=reverse_some
    )
    rows = {}
    for n in range(20 * batches.batches_per_epoch):
        batch = batches[n]
        for words, index, length in zip(
            batch["words"].T, batch["indices"], batch["lengths"], strict=True
        ):
            seen = [vocabulary.words[w - 2] for w in words[:length]]
            tokens = list(sentences[index].tokens)
            # What would be too long for its bucket, of length 4, stays as it was.
            assert seen in (tokens, tokens[::-1])
            rows.setdefault(int(index), []).append(seen == tokens)
    assert all(len(kept) == 20 for kept in rows.values())
    assert all(5 < sum(kept) < 20 for kept in rows.values())
    # Each sentence has random numbers of its own.
    assert len({tuple(kept) for kept in rows.values()}) > 20


def test_a_transformed_sentence_may_fill_its_bucket():
    sentences, vocabulary = corpus([3, 6])
    batches = TrainingBatches(
        sentences,
        vocabulary,
        batch_size=2,
        buckets=[6],
        transform=lambda s, rng: Sentence(s.tokens * 2, s.tags * 2, s.source, 0),
    )
    batch = batches[0]
    assert sorted(batch["lengths"].tolist()) == [6, 6]
    first = vocabulary.encode(sentences[0]).words.tolist()
    assert batch["words"].T[batch["indices"] == 0].tolist() == [first * 2]


def test_the_share_of_padding():
    sentences, vocabulary = corpus([3, 2, 1])
    batches = EvaluationBatches(sentences, vocabulary, batch_size=2, buckets=[3])
    assert padding_share(batches) == pytest.approx(6 / 12)
    tight = EvaluationBatches(sentences, vocabulary, batch_size=1, buckets=[1, 2, 3])
    assert padding_share(tight) == 0


@pytest.mark.parametrize("kind", [EvaluationBatches, TrainingBatches])
def test_impossible_batches_are_refused(kind):
    sentences, vocabulary = corpus([3])
    with pytest.raises(UserError, match="batch_size must be at least 1, got 0"):
        kind(sentences, vocabulary, batch_size=0, buckets=[3])
    with pytest.raises(UserError, match="no sentences"):
        kind([], vocabulary, batch_size=1, buckets=[3])


@pytest.mark.parametrize("num_processes", [1, 2, 3, 4])
def test_processes_read_every_sentence_once_an_epoch(num_processes):
    sentences, vocabulary = corpus([1, 2, 2, 3, 3, 3, 4, 5, 6, 6, 7] * 5)
    batches = TrainingBatches(sentences, vocabulary, batch_size=12, buckets=(3, 7), seed=2)
    shares = np.array_split(np.arange(12), num_processes)
    readers = [iterator(batches, rows) for rows in shares]
    for _ in range(2):
        seen = []
        for _ in range(batches.batches_per_epoch):
            for reader, rows in zip(readers, shares, strict=True):
                batch = next(reader)
                assert_holds(batch, sentences, vocabulary, (3, 7), len(rows))
                seen += batch["indices"][batch["indices"] >= 0].tolist()
        assert sorted(seen) == list(range(len(sentences)))
