"""What does not fit a model, an encoder or a decoder is an error."""

import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax.errors import UserError
from rnnjax.models import LanguageModel, Recurrent, SequenceClassifier
from rnnjax.models.seq2seq import Seq2Seq, Source
from rnnjax.models.sequence_encoder import SequenceEncoder

V, D, F = 5, 2, 6


def encoder(size=F, **options):
    return SequenceEncoder(rnnjax.rnn(size), input_size=D, rngs=nnx.Rngs(0), **options)


def small(encoders, **options):
    given = {"context": "soft", "embed_size": 3, "rngs": nnx.Rngs(0)} | options
    return Seq2Seq(encoders, V, rnnjax.gru(4), **given)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: small([encoder(), encoder(5)]), r"outputs of one width; got widths \[6, 5\]"),
        (lambda: small([encoder()], context="sof"), "unknown context 'sof'; did you mean 'soft'"),
        (lambda: small([encoder()], embed_size=0), "embed_size is a positive integer; got 0"),
        (lambda: small([encoder()], attention_size=0), "attention_size is a positive integer"),
        (lambda: encoder(vocab_size=0), "vocab_size is a positive integer; got 0"),
        (lambda: Recurrent("rnn", 3, rngs=nnx.Rngs(0)), "Recurrent takes a Cell"),
        (
            lambda: LanguageModel(V, "lstm", embed_size=3, rngs=nnx.Rngs(0)),
            "a language model takes a Cell, such as .*; got 'lstm'",
        ),
        (
            lambda: LanguageModel(0, rnnjax.rnn(4), embed_size=3, rngs=nnx.Rngs(0)),
            "vocab_size is a positive integer; got 0",
        ),
        (
            lambda: SequenceClassifier(0, rnnjax.rnn(4), input_size=3, rngs=nnx.Rngs(0)),
            "num_classes is a positive integer; got 0",
        ),
        (lambda: small([encoder()], scorer="dott"), "unknown attention scorer 'dott'; did you"),
        (lambda: small([encoder()], scorer="dot"), "hidden state of 4 and a memory of 6 numbers"),
        (lambda: small([encoder()]).memory([]), "one source an encoder, 1; got 0"),
        (
            lambda: small([encoder()]).memory([Source(np.zeros((3, 2, 1)))]),
            r"shape \[T, B, 2\]; got \[3, 2, 1\]",
        ),
        (
            lambda: small([encoder(vocab_size=3)]).memory([Source(np.zeros((3, 2)))]),
            r"tokens are integers of shape \[T, B\]; got float64",
        ),
        (
            lambda: small([encoder()]).memory([Source(np.zeros((3, 2, D)), np.ones((2, 3), bool))]),
            r"the mask of inputs of shape \[3, 2, 2\] has shape \[3, 2\]; got \[2, 3\]",
        ),
        (
            lambda: small([encoder()]).make_memory(np.zeros((2, 3, 5))),
            r"a memory has shape \[B, S, 6\]; got \[2, 3, 5\]",
        ),
        (
            lambda: small([encoder()]).make_memory(np.zeros((2, 3, F)), np.ones((2, 3))),
            r"boolean of shape \[2, 3\]; got float64",
        ),
        (
            lambda: small([encoder()])(
                [Source(np.zeros((3, 2, D)))], np.zeros((4, 2), int), remat="sqrt"
            ),
            "remat with attention is 'none' or 'gates'; got 'sqrt'",
        ),
    ],
)
def test_what_does_not_fit_is_named(build, message):
    with pytest.raises(UserError, match=message):
        nnx.eval_shape(lambda: build() and 0)
