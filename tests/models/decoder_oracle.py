"""Decoders and encoders in float64 numpy: one example, one step after another."""

from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from tests.cells import oracles

STEPS = {"RNNParams": oracles.elman, "GRUParams": oracles.gru_cudnn, "LSTMParams": oracles.lstm}


class Told(NamedTuple):
    """`logits [T, V]`; with attention `weights [T, S]`, their softmax `chances`, `gates [T]`.

    Of a decoder that copies also `generate [T]`, p_gen.
    """

    logits: np.ndarray
    weights: np.ndarray | None
    chances: np.ndarray | None
    gates: np.ndarray | None
    generate: np.ndarray | None


def in_float64(build):
    """The graph of the model that `build` returns, and random numbers everywhere, biases too."""

    def wide():
        model = build()
        for _, module in nnx.iter_modules(model):
            if isinstance(module, nnx.Embed):
                module.dtype = np.dtype(np.float64)  # else that of the initial parameters
        return model

    graph, params = nnx.split(nnx.eval_shape(wide), nnx.Param)
    rng = np.random.default_rng(1)
    return graph, jax.tree.map(lambda x: rng.normal(0, 0.7, x.shape), params)


def parameters(model):
    """The numbers of a model in float64, as nested dicts of arrays and cell parameters."""
    numbers = nnx.to_pure_dict(nnx.state(model, nnx.Param))
    return jax.tree.map(lambda x: np.asarray(x, np.float64), numbers)


def softmax(logits):
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def linear(p, x):
    return x @ p["kernel"] + p.get("bias", 0)


def log_likelihoods(logits, words):
    """Of each word."""
    return np.log(softmax(logits))[np.arange(len(words)), words]


def layers_of(cell):
    """The parameters of each layer that has some."""
    return [layer for layer in cell if layer] if type(cell) is tuple else [cell]


def encoded(layers, xs):
    """The outputs `[T, H]` over one sequence; a layer may be the `Directions` of two."""
    for layer in layers:
        if type(layer).__name__ == "Directions":
            there = encoded([layer.forward], xs)
            back = encoded([layer.backward], xs[::-1])[::-1]
            xs = np.concatenate([there, back], axis=-1)
            continue
        kind = type(layer).__name__
        state = np.zeros(len(layer.w_hh))
        state = (state, state) if kind == "LSTMParams" else state
        ys = []
        for x in xs:
            state, y = STEPS[kind](layer, state, x)
            ys.append(y)
        xs = np.array(ys).reshape(len(xs), len(layer.w_hh))
    return xs


def additive(a, memory, top, query, covered):
    del top, covered
    hidden = [np.tanh(a.w_location.T @ i + a.w_query.T @ query + a.b) for i in memory]
    return np.array([a.w_score @ h for h in hidden])


def coverage(a, memory, top, query, covered):
    del top
    p = a.additive
    rows = zip(memory, covered, strict=True)
    asked = p.w_query.T @ query + p.b
    hidden = [np.tanh(p.w_location.T @ i + asked + a.w_coverage * c) for i, c in rows]
    return np.array([p.w_score @ h for h in hidden])


SCORERS = {
    "additive": additive,
    "coverage": coverage,
    "dot": lambda a, memory, top, query, covered: np.array([top @ i for i in memory]),
    "general": lambda a, memory, top, query, covered: np.array([i @ a @ query for i in memory]),
}


def told(
    context,
    p,
    memory,
    before,
    *,
    summary=None,
    scorer="additive",
    positions=None,
    extra=None,
    fed=False,
):
    """What a decoder makes of one memory `[S, F]` and the symbols of one sequence.

    Args:
        context: its name.
        p: from `parameters`.
        memory: of the example, only positions that count.
        before: the previous symbol at each step.
        summary: of the memory; None: its mean.
        scorer: of the attention, by name.
        positions: of context "hard": where it looks; None: the likeliest.
        extra: `(attention params, memory, query)` to numbers that are read besides.
        fed: the attentional vector of the step before is read too.
    """
    layers = layers_of(p["recurrent"]["params"])
    kinds = [type(layer).__name__ for layer in layers]
    sizes = [len(layer.w_hh) for layer in layers]
    summary = memory.mean(axis=0) if summary is None else summary
    states = [2 if kind == "LSTMParams" else 1 for kind in kinds]
    count = np.dot(sizes, states)
    start = np.zeros(count) if context == "every_step" else np.tanh(linear(p["first"], summary))
    carries = []
    for kind, size in zip(kinds, sizes, strict=True):
        if kind == "LSTMParams":
            carries.append((start[:size], start[size : 2 * size]))
            start = start[2 * size :]
        else:
            carries.append(start[:size])
            start = start[size:]
    rows = {"logits": [], "weights": [], "chances": [], "gates": [], "generate": []}
    covered = np.zeros(len(memory))
    attentional = np.zeros(p["embed"]["embedding"].shape[1] if fed else 0)
    for t, symbol in enumerate(before):
        x = y = p["embed"]["embedding"][symbol]
        z = None
        if context == "every_step":
            y = np.concatenate([x, summary])
        elif context in ("soft", "hard"):
            states = [c[1] if isinstance(c, tuple) else c for c in carries]
            h = np.concatenate(states)
            query = np.concatenate([h, x])
            weights = chances = softmax(
                SCORERS[scorer](p.get("attention"), memory, states[-1], query, covered)
            )
            if context == "hard":
                chosen = weights.argmax() if positions is None else positions[t]
                weights = np.eye(len(memory))[chosen]
            gate = oracles.sigmoid(linear(p["gate"], h))[0]
            z = gate * sum(weight * i for weight, i in zip(weights, memory, strict=True))
            if extra is not None:
                z = np.concatenate([z, extra(p["attention"], memory, query)])
            y = np.concatenate([x, attentional, z])
            rows["weights"].append(weights)
            covered = covered + weights
            rows["chances"].append(chances)
            rows["gates"].append(gate)
        for n, (kind, layer) in enumerate(zip(kinds, layers, strict=True)):
            carries[n], y = STEPS[kind](layer, carries[n], y)
        if "generate" in p:
            known = np.concatenate([x, y, z])
            rows["generate"].append(oracles.sigmoid(linear(p["generate"], known))[0])
        hidden = x + linear(p["from_hidden"], y)
        if z is not None:
            hidden = hidden + linear(p["from_seen"], z)
        attentional = np.tanh(hidden) if fed else attentional
        rows["logits"].append(linear(p["head"], np.tanh(hidden)))
    return Told(*(np.array(row) if row else None for row in rows.values()))
