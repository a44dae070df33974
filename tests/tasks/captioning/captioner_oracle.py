"""The decoders of captioners in float64 numpy: one image, one word after another."""

from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from tests.cells import oracles

START = 1
STEPS = {"RNNParams": oracles.elman, "GRUParams": oracles.gru_cudnn, "LSTMParams": oracles.lstm}


class Told(NamedTuple):
    """`logits [T, V]`; with attention `weights [T, S]`, their softmax `chances`, `gates [T]`."""

    logits: np.ndarray
    weights: np.ndarray | None
    chances: np.ndarray | None
    gates: np.ndarray | None


def parameters(model):
    """The numbers of a captioner in float64, as nested dicts of arrays and cell parameters."""
    numbers = nnx.to_pure_dict(nnx.state(model, nnx.Param))
    return jax.tree.map(lambda x: np.asarray(x, np.float64), numbers)


def softmax(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def linear(p, x):
    return x @ p["kernel"] + p.get("bias", 0)


def told(decoder, p, features, words, locations=None):
    """What a decoder makes of one image `[S, F]` and the words of one caption.

    Args:
        decoder: its name.
        p: from `parameters`.
        features: of the image.
        words: ids.
        locations: of decoder "hard": where it looks; None: the likeliest.
    """
    if "project" in p:
        features = np.maximum(linear(p["project"], features), 0)
    cell = p["recurrent"]["params"]
    layers = [cell] if hasattr(cell, "w_hh") else [layer for layer in cell if layer]
    kinds = [type(layer).__name__ for layer in layers]
    sizes = [len(layer.w_hh) for layer in layers]
    seen = features.mean(axis=0)
    states = [2 if kind == "LSTMParams" else 1 for kind in kinds]
    count = np.dot(sizes, states)
    start = np.zeros(count) if decoder == "every_step" else np.tanh(linear(p["first"], seen))
    carries = []
    for kind, size in zip(kinds, sizes, strict=True):
        if kind == "LSTMParams":
            carries.append((start[:size], start[size : 2 * size]))
            start = start[2 * size :]
        else:
            carries.append(start[:size])
            start = start[size:]
    rows = {"logits": [], "weights": [], "chances": [], "gates": []}
    for t, word in enumerate([START, *words[:-1]]):
        x = y = p["embed"]["embedding"][word]
        z = None
        if decoder == "every_step":
            y = np.concatenate([x, seen])
        elif decoder in ("soft", "hard"):
            a = p["attention"]
            h = np.concatenate([c[1] if isinstance(c, tuple) else c for c in carries])
            asked = np.concatenate([h, x]) @ a.w_query
            answers = np.array([np.tanh(i @ a.w_location + asked + a.b) for i in features])
            weights = chances = softmax(answers @ a.w_score)
            if decoder == "hard":
                chosen = weights.argmax() if locations is None else locations[t]
                weights = np.eye(len(features))[chosen]
            gate = oracles.sigmoid(linear(p["gate"], h))[0]
            z = gate * sum(weight * i for weight, i in zip(weights, features, strict=True))
            if a.w_count is not None:
                fits = oracles.sigmoid(answers @ a.w_count - np.log(len(features)))
                z = np.concatenate([z, fits.sum(axis=0)])
            y = np.concatenate([x, z])
            rows["weights"].append(weights)
            rows["chances"].append(chances)
            rows["gates"].append(gate)
        for n, (kind, layer) in enumerate(zip(kinds, layers, strict=True)):
            carries[n], y = STEPS[kind](layer, carries[n], y)
        hidden = x + linear(p["from_hidden"], y)
        if z is not None:
            hidden = hidden + linear(p["from_seen"], z)
        rows["logits"].append(linear(p["head"], np.tanh(hidden)))
    return Told(*(np.array(row) if row else None for row in rows.values()))


def log_likelihoods(logits, words):
    """Of each word."""
    return np.log(softmax(logits))[np.arange(len(words)), words]
