import contextlib

import numpy as np

from rnnjax.data.batch_iterator import BatchIterator
from rnnjax.data.padded_batches import EvaluationBatches, TrainingBatches, in_order
from rnnjax.tasks.tagging.preparation import tagged_examples
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary


def corpus(lengths):
    """Sentences of which every token is told from every other one, by word, letters and tag."""
    sentences = []
    for k, length in enumerate(lengths):
        tokens = tuple(chr(97 + k % 26) * (1 + k // 26) + chr(0x4E00 + n) for n in range(length))
        tags = tuple("OB"[n % 2] + "-X" * (n % 2) for n in range(length))
        sentences.append(Sentence(tokens, tags, f"a.conll:{k}"))
    return sentences, TaggingVocabulary.of(sentences, scheme="BIOES")


def assert_holds(batch, sentences, vocabulary):
    """A batch holds the sentences that it says, each token in its place, and nothing else."""
    length, batch_size = batch["words"].shape
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


def test_batches_hold_every_token_of_their_sentences(caplog):
    sentences, vocabulary = corpus([*(1 + n % 5 for n in range(30)), 11])
    examples = tagged_examples(sentences, vocabulary, [2, 4])
    evaluation = EvaluationBatches(examples, batch_size=4)
    assert "31 sentences are longer than 4 tokens" in caplog.text
    assert "the longest, a.conll:30, has 11" in caplog.text
    training = TrainingBatches(examples, batch_size=4)
    some_rows = training.of_rows(np.array([0, 3]))
    for n in range(training.batches_per_epoch):
        assert_holds(training[n], sentences, vocabulary)
        assert_holds(some_rows[n], sentences, vocabulary)
        assert_holds(evaluation[n], sentences, vocabulary)
    characters = in_order((batch, batch["characters"]) for batch in evaluation)
    for row, sentence in zip(characters, sentences, strict=True):
        np.testing.assert_array_equal(row, vocabulary.encode(sentence).characters)


def test_workers_make_the_transformed_sentences_of_a_seed():
    sentences, vocabulary = corpus([1 + n % 7 for n in range(25)])

    def backwards(sentence, rng):
        if rng.random() < 0.5:
            return sentence
        return Sentence(sentence.tokens[::-1], sentence.tags[::-1], "backwards")

    examples = tagged_examples(sentences, vocabulary, [3, 7], backwards)
    batches = TrainingBatches(examples, batch_size=4, seed=9)
    straight = TrainingBatches(tagged_examples(sentences, vocabulary, [3, 7]), batch_size=4, seed=9)
    changed = 0
    with contextlib.closing(BatchIterator(batches, workers=1)) as made:
        for n in range(15):
            expected, batch = batches[n], next(made)
            assert set(batch) == set(expected)
            for name, values in expected.items():
                np.testing.assert_array_equal(batch[name], values)
            np.testing.assert_array_equal(batch["indices"], straight[n]["indices"])
            turned = batch["words"] != straight[n]["words"]
            changed += turned.any(axis=0).sum()
    assert 10 < changed < 40
