"""The classifier of texts: its words, its attention and its gradients."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special

from rnnjax import data
from rnnjax.errors import UserError
from rnnjax.tasks.sentiment import preparation, reports, sentiment_model
from rnnjax.tasks.sentiment.config import SentimentConfig
from rnnjax.tasks.sentiment.preparation import SentimentVocabulary
from rnnjax.tasks.sentiment.sentiment_model import SentimentModel, make_model
from tests.models import decoder_oracle as oracle

TEXTS = ["Not a good film .", "The film was good , the music was bad , but why not ?"]
VOCABULARY = dataclasses.replace(
    SentimentVocabulary.of(["not a good film . bad the was , music but why"]),
    labels=("1", "2", "3"),
)


def tiny(pooling="attention", cell="lstm", **options):
    config = SentimentConfig(
        embed_size=3, hidden_size=4, pooling=pooling, cell=cell, **options
    )  # fmt: skip
    return config, SentimentModel(make_model(config, VOCABULARY), VOCABULARY)


def in_float64(pooling, cell):
    config, _ = tiny(pooling, cell)
    graph, params = oracle.in_float64(lambda: make_model(config, VOCABULARY))
    return SentimentModel(nnx.merge(graph, jax.tree.map(jnp.asarray, params)), VOCABULARY)


# A program each, where every operation would be compiled alone.
logits_of = nnx.jit(lambda model, ids: model(ids))
encode = nnx.jit(lambda model, ids: model.encoder(ids))


def ids_of(text):
    return jnp.asarray(VOCABULARY.encode(text))[:, None]


@pytest.mark.parametrize(("pooling", "cell"), [("max", "rnn"), ("attention", "lstm")])
def test_gradient_times_input_is_the_slope_as_a_words_vector_grows(pooling, cell):
    """Against central differences: the vector of one word is scaled by 1 + h and by 1 - h."""
    with jax.enable_x64(True):
        model = in_float64(pooling, cell)
        text = "Not a good film , but why ?"  # no word twice; the last one is unknown
        ids = ids_of(text)
        graph = nnx.graphdef(model.model)
        forward = jax.jit(lambda params: nnx.merge(graph, params)(ids))
        k = int(forward(nnx.state(model.model)).argmax())

        def score(row, factor):
            changed = nnx.clone(model.model)
            table = changed.encoder.embed.embedding
            table[...] = table[...].at[row].multiply(factor)
            logits = np.asarray(forward(nnx.state(changed)))[0]
            return logits[k] - logits.mean()

        h = 1e-5
        slopes = [
            (score(row, 1 + h) - score(row, 1 - h)) / (2 * h) for row in ids[:, 0].tolist()
        ]  # fmt: skip
        (found, _) = model.relevance([text, TEXTS[1]], "gradient")
    np.testing.assert_allclose(found, slopes, rtol=1e-6, atol=1e-8)  # float64, error h^2


def test_attention_weights_are_those_that_make_the_vector_of_a_text():
    with jax.enable_x64(True):
        model = in_float64("attention", "lstm")
        found = model.relevance(TEXTS)
        words = np.zeros((20, 2), np.int32)
        lengths = np.array([len(VOCABULARY.encode(text)) for text in TEXTS])
        for n, text in enumerate(TEXTS):
            words[: lengths[n], n] = VOCABULARY.encode(text)
        batch = {"words": jnp.asarray(words), "lengths": jnp.asarray(lengths)}
        padded = np.asarray(sentiment_model.attention_weights(model.model, batch))
        for n, (text, weights) in enumerate(zip(TEXTS, found, strict=True)):
            assert weights.shape == (len(data.tokenize(text)),)
            assert weights.sum() == pytest.approx(1, abs=1e-12)
            np.testing.assert_allclose(padded[: lengths[n], n], weights, rtol=1e-12)
            assert (padded[lengths[n] :, n] == 0).all()
            ys = np.asarray(encode(model.model, ids_of(text)))[:, 0]
            head = model.model.head
            logits = weights @ ys @ np.asarray(head.kernel[...]) + np.asarray(head.bias[...])
            np.testing.assert_allclose(logits_of(model.model, ids_of(text))[0], logits, rtol=1e-10)
    assert max(weights.max() / weights.min() for weights in found) > 1.5


@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_padding_and_neighbours_change_nothing(pooling):
    _, model = tiny(pooling)
    together = model.classify(TEXTS, batch_size=4)
    for text, one in zip(TEXTS, together, strict=True):
        expected = special.softmax(np.asarray(logits_of(model.model, ids_of(text)))[0])
        np.testing.assert_allclose([*one.probabilities.values()], expected, rtol=2e-5)  # float32
        assert list(one.probabilities) == ["1", "2", "3"]
        assert one.label == VOCABULARY.labels[expected.argmax()]


def test_one_direction_reads_no_later_word_and_both_do():
    for bidirectional in (False, True):
        _, model = tiny(bidirectional=bidirectional)
        first = [encode(model.model, ids_of(text))[0] for text in ("good film", "good")]
        assert np.allclose(*first) != bidirectional


def test_vectors_of_words_stand_at_their_ids():
    vectors = data.Vectors(
        ("why", "nowhere", "good"), np.arange(9.0, dtype=np.float32).reshape(3, 3)
    )
    config, model = tiny()
    table = make_model(config, VOCABULARY, vectors).encoder.embed.embedding[...]
    ids = {symbol: n for n, symbol in enumerate(VOCABULARY.symbols)}
    np.testing.assert_array_equal(table[ids["why"]], [0, 1, 2])
    np.testing.assert_array_equal(table[ids["good"]], [6, 7, 8])
    others = np.array([n for symbol, n in ids.items() if symbol not in ("why", "good")])
    np.testing.assert_array_equal(table[others], model.model.encoder.embed.embedding[...][others])
    wider = data.Vectors(("why",), np.zeros((1, 5), np.float32))
    with pytest.raises(UserError, match=r"expected --config\.embed_size=5, got 3"):
        make_model(config, VOCABULARY, wider)


def test_what_cannot_be_asked_of_a_model():
    _, model = tiny("mean")
    with pytest.raises(UserError, match="text 2 of 3 is empty: there is no word in it"):
        model.classify(["good", " \t", "bad"])
    with pytest.raises(
        UserError, match="--colour_by=attention takes a model that pools by it, not by me"
    ):
        model.relevance(["good"], "attention")
    with pytest.raises(UserError, match="unknown --colour_by=gradent; did you mean 'gradient'"):
        model.relevance(["good"], "gradent")


@pytest.mark.parametrize(
    ("policy", "lengths", "told"),
    [
        ("truncate", [2, 3, 3], ("cut", "cut")),
        ("skip", [2, 3], ("left out", "kept whole")),
        ("keep", [2, 3, 6], ("kept whole", "kept whole")),
    ],
)
def test_long_texts_are_treated_as_wanted_and_counted(tmp_path, policy, lengths, told):
    rows = ["text\tlabel", "a b\tx", "a b c\ty", "a b c d e f\tx"]
    for split in ("train", "valid"):
        (tmp_path / f"{split}.tsv").write_text("\n".join(rows))
    config = SentimentConfig(
        data=str(tmp_path), max_length=3, too_long=policy, batch_size=4, min_count=1
    )
    made = preparation.prepare(config)
    for split, fate in zip(("training", "validation"), told, strict=True):
        note = f"\n1 {split} texts are longer than 3 words and {fate}."
        assert note in made.description
    assert "\n3 of the 3 validation texts also stand in training.\n" in made.description
    assert sorted(n for n in made.batches[0]["lengths"].tolist() if n) == lengths
    assert made.batches[0]["words"].shape[0] == max(lengths)
    held_out = sorted(n for batch in made.validation for n in batch["lengths"].tolist() if n)
    assert held_out == ([2, 3, 3] if policy == "truncate" else [2, 3, 6])


def test_a_model_with_a_limit_reads_the_first_words(capsys):
    model = tiny()[1]
    text = TEXTS[1]
    cut = " ".join(text.split()[:4])
    limited = model._replace(limit=4)
    assert limited.classify([text]) == model.classify([cut])
    (found,), (whole,) = limited.relevance([text]), model.relevance([cut])
    np.testing.assert_array_equal(found, np.pad(whole, (0, len(text.split()) - 4)))
    reports.report_predictions(limited, [text, cut], None, None)
    assert "1 of 2 texts are longer than 4 words and cut" in capsys.readouterr().err
