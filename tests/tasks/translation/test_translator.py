"""Translating by small models of random numbers: batches, padding, attention, unknown words."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnjax import training
from rnnjax.data.pair_batches import Lengths
from rnnjax.errors import UserError
from rnnjax.models.decoding import Search, decoding_step
from rnnjax.models.seq2seq import Source
from rnnjax.tasks.translation.config import TranslationConfig
from rnnjax.tasks.translation.preparation import reversed_source
from rnnjax.tasks.translation.translator import (
    Translator,
    batch_loss,
    first_carry,
    make_translator,
    replace_unknown,
)
from rnnjax.tasks.translation.vocabulary import END, START, UNKNOWN_WORD, VocabularyPair

TEXTS = ["rot blau", "blau", "weiss rot blau rot weiss blau", "rot weiss", "blau blau rot"]
VOCABULARY = VocabularyPair.of(TEXTS, ["red blue", "white and red"])
LENGTHS = Lengths((3, 7), (9,))


def untrained(lengths=LENGTHS, beam_size=3, **options):
    config = TranslationConfig(hidden_size=6, embed_size=5, attention_size=4, seed=3, **options)
    model = make_translator(config, VOCABULARY)
    # Sharper than at the beginning of a training, so that rows differ.
    graph, params = nnx.split(model, nnx.Param)
    model = nnx.merge(graph, jax.tree.map(lambda x: 3 * x, params))
    return Translator(model, VOCABULARY, lengths, config, Search(beam_size))


def check_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert (one.text, one.symbols, one.source) == (other.text, other.symbols, other.source)
        nats, other_nats = one.rated[0].log_probability, other.rated[0].log_probability
        assert nats == pytest.approx(other_nats, rel=1e-5)  # float32
        if one.attention is not None:
            np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"context": "initial", "num_layers": 2}])
def test_a_batch_is_translated_like_each_text_alone(options):
    translator = untrained(**options)
    together = translator.translate(TEXTS, batch_size=3)
    assert len({one.text for one in together}) > 1
    alone = [translator.translate([text], batch_size=3)[0] for text in TEXTS]
    check_same(together, alone)


def test_padding_changes_nothing_and_gets_no_attention():
    found = untrained().translate(TEXTS)
    padded = untrained(Lengths((7, 14), (9,))).translate(TEXTS)
    check_same(padded, found)
    for one, text in zip(padded, TEXTS, strict=True):
        assert one.source == (*text.split(), "<end>")
        assert one.attention.shape == (len(one.symbols), len(one.source))
        np.testing.assert_allclose(one.attention.sum(axis=-1), 1, rtol=1e-5)
    assert any(len(one.symbols) for one in padded)


def test_equal_models_share_their_compiled_programs():
    """A model that is loaded again is not compiled again."""
    one, other = (nnx.split(untrained().model, nnx.Param)[0] for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)


def test_a_text_longer_than_all_before_is_translated_whole():
    """It is padded to twice the largest length, and its translation may be as much longer."""
    (found,) = untrained().translate(["rot blau weiss " * 3])
    assert len(found.source) == 10
    assert LENGTHS.longest_target(14) == 18


def test_a_source_read_backwards_is_the_reversed_source_read_forwards():
    forwards, backwards = untrained(), untrained(reverse_source=True)
    (expected,) = forwards.translate(["weiss blau rot"])
    (found,) = backwards.translate(["rot blau weiss"])
    assert found.text == expected.text
    assert found.source == ("rot", "blau", "weiss", "<end>")
    np.testing.assert_allclose(found.attention, expected.attention[:, [2, 1, 0, 3]], atol=1e-5)


def test_the_end_of_a_reversed_source_stays_at_its_end():
    np.testing.assert_array_equal(reversed_source(np.array([5, 6, 7, END])), [7, 6, 5, END])
    np.testing.assert_array_equal(reversed_source(np.array([END])), [END])


def test_a_beam_of_one_is_greedy_decoding():
    translator = untrained(beam_size=1)
    graph, params = nnx.split(translator.model, nnx.Param)

    @jax.jit
    def begin(params, ids):
        model = nnx.merge(graph, params)
        memory = model.memory([Source(ids)])
        return memory, model.initial_carry(memory)

    step = jax.jit(decoding_step(graph, translator.never))
    for text in TEXTS[:3:2]:
        memory, carry = begin(params, np.asarray(VOCABULARY.source.encode(text))[:, None])
        tokens, nats = [START], 0.0
        while len(tokens) < 10 and tokens[-1] != END:
            logits, carry = step((params, memory), carry, jnp.array(tokens[-1:]))
            tokens.append(int(logits[0].argmax()))
            nats += float(jax.nn.log_softmax(logits[0])[tokens[-1]])
        (found,) = translator.translate([text])
        symbols = VOCABULARY.target.decode(tokens[1:])
        assert len(found.symbols) == len(symbols)
        assert all(
            one in (other, *text.split()) if other == "<unknown>" else one == other
            for one, other in zip(found.symbols, symbols, strict=True)
        )
        assert found.rated[0].log_probability == pytest.approx(nats, rel=1e-5)


def test_an_unknown_word_is_the_one_that_is_attended_to_most():
    attention = np.array([[0.1, 0.6, 0.3], [0.2, 0.1, 0.7], [0.45, 0.1, 0.45], [0, 0.1, 0.9]])
    found = replace_unknown(["<unknown>", "red", "<unknown>", "<unknown>"], "<unknown>",
                            ["Anna", "Berlin"], attention)  # fmt: skip
    assert found == ("Berlin", "red", "Anna", "Berlin")  # the last attends to the end most


def test_a_model_that_writes_unknown_words_copies_the_source():
    translator = untrained(level="word")._replace(
        vocabulary=VocabularyPair.of(TEXTS, ["red blue"], level="word")
    )
    model = translator.model
    bias = model.head.bias.get_value().at[UNKNOWN_WORD].set(50.0)
    model.head.bias.set_value(bias.at[len(translator.vocabulary.target) :].set(-50.0))
    (found,) = translator.translate(["Xanten blau"])
    assert found.text
    for word, weights in zip(found.text.split(), found.attention, strict=True):
        assert word == ("Xanten", "blau")[weights[:2].argmax()]
    several = translator._replace(search=Search(num_best=3)).translate(["Xanten blau"])
    assert several[0].text == found.text
    assert len(several[0].rated) == 3
    assert not any("<unknown>" in one.text for one in several[0].rated)


@pytest.mark.parametrize("options", [{"context": "initial"}, {"context": "every_step"}])
def test_without_attention_no_unknown_word_is_written(options):
    translator = untrained(**options)
    model = translator.model
    model.head.bias.set_value(model.head.bias.get_value().at[UNKNOWN_WORD].set(50.0))
    assert "<unknown>" not in "".join(one.text for one in translator.translate(TEXTS))
    assert translator.translate(TEXTS)[0].attention is None


def test_an_empty_text_is_named():
    with pytest.raises(UserError, match=r"^text 2 of 3 is empty: nothing to translate$"):
        untrained().translate(["rot", " ", "blau"])


def test_a_text_without_a_known_word_is_found():
    translator = untrained()
    assert [translator.is_unknown(text) for text in ("gelb", "gelb rot")] == [True, False]


def test_the_share_of_own_symbols_grows_with_the_updates():
    """Without dropout nothing else is drawn: at first the loss is that of the given symbols."""
    options = {"hidden_size": 6, "embed_size": 5, "attention_size": 4, "batch_size": 3}
    config = TranslationConfig(**options, scheduled_sampling=0.9, num_steps=10)
    graph, params = nnx.split(untrained().model, nnx.Param)
    symbols = np.random.default_rng(0).integers(3, len(VOCABULARY.target), (4, 3))
    batch = {
        "source": np.full((2, 3), 3), "source_lengths": np.full(3, 2),
        "target": symbols, "lengths": np.array([4, 3, 4]),
    }  # fmt: skip
    loss = jax.jit(training.loss_of_params(graph, functools.partial(batch_loss, config)))
    model, plain_loss = nnx.merge(graph, params), nnx.jit(batch_loss, static_argnums=0)
    plain = plain_loss(TranslationConfig(**options), model, batch, jax.random.key(0))
    carry = first_carry(config)
    first = loss(params, carry, batch, jax.random.key(0))
    assert float(first.total) == pytest.approx(float(plain.total), rel=1e-6)
    late = [
        float(loss(params, carry + 10, batch, jax.random.key(n)).total) != float(first.total)
        for n in range(8)
    ]
    early = [
        float(loss(params, carry + 1, batch, jax.random.key(n)).total) != float(first.total)
        for n in range(8)
    ]
    assert all(late)
    assert sum(early) < 8
    np.testing.assert_array_equal(first.carry, carry + 1)


def test_a_coverage_penalty_needs_attention_and_lowers_scores_alone():
    search = Search(3, num_best=3, coverage_penalty=50.0)
    with pytest.raises(UserError, match=r"--coverage_penalty=50.0 takes a model with attention"):
        untrained(context="initial")._replace(search=search).translate(["rot blau"])
    plain = untrained()._replace(search=Search(3, num_best=3)).translate(TEXTS)
    ranked = untrained()._replace(search=search).translate(TEXTS)
    lower = []
    for one, other in zip(plain, ranked, strict=True):
        before = {rated.text: rated for rated in one.rated}
        scores = [rated.score for rated in other.rated]
        assert scores == sorted(scores, reverse=True)
        for rated in other.rated:
            assert rated.log_probability == before[rated.text].log_probability
            lower.append(before[rated.text].score - rated.score)
    assert min(lower) == 0  # each position of a short source got a weight of 1 or more in all
    assert max(lower) > 1


def test_input_feeding_needs_attention():
    with pytest.raises(UserError, match=r"needs --config\.context=soft; got initial"):
        TranslationConfig(input_feeding=True, context="initial").validate()
