"""From a corpus to batches, and from a vocabulary to a model."""

import dataclasses

import numpy as np
import pytest

from rnnjax import data
from rnnjax.errors import UserError
from rnnjax.tasks.tagging import preparation
from rnnjax.tasks.tagging.config import TaggerConfig, TaggingConfig
from rnnjax.tasks.tagging.sentences import Sentence, TaggedCorpus
from rnnjax.tasks.tagging.tagger import make_tagger
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary


def sentence(text, *tags):
    return Sentence(tuple(text.split()), tags, "made:1")


TRAIN = [
    sentence("Ada left Bonn", "B-PER", "O", "B-LOC"),
    sentence("Emmy stayed", "B-PER", "O"),
    sentence("The Rhine flows slowly through Cologne", "O", "B-LOC", "O", "O", "O", "B-LOC"),
]
DEV = [sentence("Ada saw Trier", "B-PER", "O", "B-LOC")]


def corpus(train=TRAIN, validation=DEV):
    return TaggedCorpus(
        {"train": train, "validation": validation}, "BIO", ("LOC", "PER"), repaired=0
    )


CORPUS = corpus()


def prepare(corpus=CORPUS, vocabulary=None, **options):
    config = TaggingConfig(**{"batch_size": 2, "num_buckets": 2, **options})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "load_tagged", lambda config: corpus)
        return preparation.prepare(config, vocabulary)


def words_of_epoch(prepared, epoch=0):
    """The word ids of each sentence by its index."""
    count = prepared.batches.batches_per_epoch
    found = {}
    for batch in (prepared.batches[epoch * count + n] for n in range(count)):
        for row, index in enumerate(batch["indices"].tolist()):
            if index >= 0:
                found[index] = batch["words"][: batch["lengths"][row], row].tolist()
    return found


def test_vocabulary_and_buckets_come_from_the_training_split():
    prepared = prepare()
    assert "saw" not in prepared.vocabulary.words
    assert len(prepared.vocabulary.words) == 11
    assert prepared.vocabulary.tags[:5] == ("O", "B-LOC", "I-LOC", "E-LOC", "S-LOC")
    assert prepared.description == (
        f"{CORPUS.describe()}.\n11 words, 23 characters, 9 tags; sentences padded to 2, 6."
    )


def test_a_vocabulary_that_is_given_stays():
    other = TaggingVocabulary.of(DEV, scheme="BIOES")
    prepared = prepare(vocabulary=other)
    assert prepared.vocabulary == other
    known = {word: n for n, word in enumerate(other.words, 2)}
    assert words_of_epoch(prepared)[0] == [known["ada"], 1, 1]


def test_entities_are_swapped_at_the_rate_asked_for():
    assert words_of_epoch(prepare(), 0) == words_of_epoch(prepare(), 1)
    prepared = prepare(swap_rate=1.0)
    ada, emmy = (prepared.vocabulary.word_id(word) for word in ("Ada", "Emmy"))
    swapped = words_of_epoch(prepared)
    assert (swapped[0][0], swapped[1][0]) == (emmy, ada)
    assert words_of_epoch(prepare())[0][0] == ada


def test_only_names_of_the_training_split_are_swapped_in():
    held_out = [sentence("Grace saw Trier", "B-PER", "O", "B-LOC")] * 20
    prepared = prepare(corpus(validation=held_out), swap_rate=1.0)
    known = {prepared.vocabulary.word_id(word) for one in TRAIN for word in one.tokens}
    seen = {
        word
        for epoch in range(5)
        for row in words_of_epoch(prepared, epoch).values()
        for word in row
    }
    assert seen <= known


def test_the_seed_decides_the_order():
    def order(seed):
        batches = prepare(seed=seed, batch_size=1, num_buckets=1).batches
        return [int(batches[n]["indices"][0]) for n in range(12)]

    assert order(0) == order(0)
    assert order(0) != order(1)


def test_words_of_all_splits_that_have_vectors_are_known(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("trier 1 2\nbonn 3 4\nlondon 5 6\n")
    prepared = prepare(vectors=str(path))
    assert set(prepared.vocabulary.words) - set(prepare().vocabulary.words) == {"trier"}
    assert prepared.description.endswith(
        "; 2 of 12 words (16.7%) have pretrained vectors, 0 of them only in lower case."
    )


@pytest.mark.parametrize(
    "other",
    [
        corpus(train=TRAIN[:2]),
        corpus(train=[*TRAIN[:2], dataclasses.replace(TRAIN[2], tags=("O", *TRAIN[2].tags[:5]))]),
        corpus(train=[TRAIN[1], TRAIN[0], TRAIN[2]]),
        corpus(validation=TRAIN[:1]),
        corpus(train=[*TRAIN, DEV[0]], validation=TRAIN[:1]),
    ],
)
def test_the_digest_tells_corpora_apart(other):
    assert prepare().digest == prepare(corpus(list(TRAIN), list(DEV))).digest
    assert prepare(other).digest != prepare().digest


def make(vectors=None, **options):
    config = TaggerConfig(**{"characters": "none", "embed_size": 4, **options})
    return make_tagger(config, prepare().vocabulary, vectors)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"characters": "cnm"}, "unknown --config.characters=cnm; did you mean 'cnn'"),
        (
            {"characters": "lstm", "character_size": 5},
            "--config.character_size is even with --config.characters=lstm, .* got 5",
        ),
        (
            {"vectors": data.Vectors(("bonn",), np.ones((1, 3), np.float32))},
            "the word vectors have 3 numbers each: expected --config.embed_size=3, got 4",
        ),
        (
            {"vectors": data.Vectors((), np.ones((0, 3), np.float32))},
            "the word vectors have 3 numbers each",
        ),
    ],
)
def test_a_tagger_that_cannot_be(options, told):
    with pytest.raises(UserError, match=told):
        make(**options)


def test_vectors_are_the_rows_of_their_words():
    vocabulary = prepare().vocabulary
    vectors = data.Vectors(("bonn", "rhine"), np.arange(8, dtype=np.float32).reshape(2, 4) - 50)
    table = np.asarray(make(vectors=vectors).features.embed.embedding[...])
    plain = np.asarray(make().features.embed.embedding[...])
    rows = [vocabulary.word_id(word) for word in ("Bonn", "Rhine")]
    np.testing.assert_array_equal(table[rows], vectors.matrix)
    others = np.setdiff1d(np.arange(vocabulary.num_words), rows)
    np.testing.assert_array_equal(table[others], plain[others])
