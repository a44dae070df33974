"""A small random recurrent network to search with, also in float64."""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import decode

V, H, STOP = 3, 4, 2


def network(seed, vocab_size=V, rows=4, sharpness=3.0):
    """A small random recurrent network, with a start for each row."""
    draw = np.random.default_rng(seed).standard_normal
    params = {
        "embedding": draw((vocab_size, H)),
        "w_hh": draw((H, H)) / 2,
        "w_out": sharpness * draw((H, vocab_size)) / 2,
    }
    params = {name: leaf.astype(np.float32) for name, leaf in params.items()}
    starts = np.random.default_rng(seed).integers(0, vocab_size, rows)
    return params, draw((rows, H)).astype(np.float32), starts.astype(np.int32)


def step(params, hidden, tokens):
    hidden = jnp.tanh(params["embedding"][tokens] + hidden @ params["w_hh"])
    return hidden @ params["w_out"], hidden


def reference_step(params, hidden, token):
    """The same step for one row, in float64: log-probabilities and hidden state."""
    params = {name: np.asarray(leaf, np.float64) for name, leaf in params.items()}
    hidden = np.tanh(params["embedding"][token] + hidden @ params["w_hh"])
    logits = hidden @ params["w_out"]
    return logits - np.log(np.sum(np.exp(logits - logits.max()))) - logits.max(), hidden


def search(params, carry, starts, *, step=step, **options):
    options = {"stop": STOP} | options
    return jax.device_get(decode.beam_search(step, params, carry, starts, **options))


def hypotheses(result, row):
    """What one row found, without padding and empty places."""
    return [
        tuple(int(symbol) for symbol in tokens[:length])
        for tokens, length in zip(result.tokens[row], result.lengths[row], strict=True)
        if length
    ]
