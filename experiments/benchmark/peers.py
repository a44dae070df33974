"""One recurrent layer in each library, in the way its documentation shows.

Every function takes a `Case` and returns a `Layer`; one that misses its library raises
ImportError. Libraries are imported inside, so that whichever is missing can be left out.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen, nnx

import rnnjax
from rnnjax.cells.named import CELLS
from rnnjax.engines.target import projects_ahead

VOCABULARY = 128
"""V of the model whose training step is compiled."""
OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))
"""Trains the model whose training step is compiled."""


class Case(NamedTuple):
    """A layer: a name of `rnnjax.cells.named`, time steps, batch, input size and hidden size."""

    kind: str
    T: int
    B: int
    D: int
    H: int


class Layer(NamedTuple):
    """A layer written in JAX: `apply(params, xs) -> ys`, its parameters and its inputs."""

    apply: Callable[[Any, Any], Any]
    params: Any
    xs: Any


class Calls(NamedTuple):
    """A layer ready to be timed: a call runs to its end, or gives arrays to wait for."""

    forward: Callable[[], Any]
    train: Callable[[], Any]


def inputs(case: Case) -> jax.Array:
    """Inputs `[T, B, D]`, standard normal."""
    return jax.random.normal(jax.random.key(0), (case.T, case.B, case.D))


def gradient(layer: Layer) -> jax.stages.Wrapped:
    """The gradient of sum(y^2) with respect to parameters and inputs, jitted."""
    return jax.jit(jax.grad(lambda p, xs: jnp.sum(layer.apply(p, xs) ** 2), argnums=(0, 1)))


def training_step(case: Case, layer: Layer) -> jax.stages.Lowered:
    """The training step of a language model around the layer, traced and lowered: an embedding and
    a head of `VOCABULARY` symbols, cross-entropy, clipped gradients, Adam.
    """
    params = jnp.zeros((VOCABULARY, case.D)), layer.params, jnp.zeros((case.H, VOCABULARY))
    symbols = jnp.zeros((case.T + 1, case.B), int)

    def loss(params, symbols):
        embedding, layer_params, head = params
        logits = layer.apply(layer_params, embedding[symbols[:-1]]) @ head
        return optax.softmax_cross_entropy_with_integer_labels(logits, symbols[1:]).mean()

    def step(params, state, symbols):
        value, gradients = jax.value_and_grad(loss)(params, symbols)
        updates, state = OPTIMIZER.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, value

    return jax.jit(step).lower(params, OPTIMIZER.init(params), symbols)


def calls(layer: Layer) -> Calls:
    """The two things that are timed of a layer in JAX."""
    forward, train = jax.jit(layer.apply), gradient(layer)
    return Calls(lambda: forward(layer.params, layer.xs), lambda: train(layer.params, layer.xs))


def rnnjax_layer(case: Case, *, compute_dtype=None, apply=rnnjax.unroll, **options) -> Layer:
    """A cell of rnnjax by `unroll`, whose options these are, or by what is called like it."""
    cell = CELLS[case.kind](case.H, compute_dtype=compute_dtype)
    params = cell.init(jax.random.key(1), case.D)
    return Layer(lambda p, xs: apply(cell, p, xs, **options)[1], params, inputs(case))


def plain_scan(cell: rnnjax.Cell, params: Any, xs: jax.Array) -> tuple[Any, jax.Array]:
    """`unroll` as a user of JAX writes the loop: one step after the other."""
    carry = cell.initial_carry(params, xs.shape[1:-1])
    return jax.lax.scan(lambda carry, x_t: cell(params, carry, x_t), carry, xs)


def nnx_layer(case: Case) -> Layer:
    """flax.nnx.RNN."""
    make = {"lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell, "rnn": nnx.SimpleCell}
    rnn = nnx.RNN(make[case.kind](case.D, case.H, rngs=nnx.Rngs(0)), time_major=True)
    graph, state = nnx.split(rnn)
    params, rest = nnx.split_state(state, nnx.Param, ...)
    zeros = jnp.zeros((case.B, case.H))
    carry = (zeros, zeros) if case.kind == "lstm" else zeros

    def apply(params, xs):
        return nnx.merge(graph, params, rest)(xs, initial_carry=carry)

    return Layer(apply, params, inputs(case))


def linen_layer(case: Case) -> Layer:
    """flax.linen.RNN."""
    make = {"lstm": linen.OptimizedLSTMCell, "gru": linen.GRUCell, "rnn": linen.SimpleCell}
    rnn = linen.RNN(make[case.kind](case.H), time_major=True)
    xs = inputs(case)
    return Layer(rnn.apply, rnn.init(jax.random.key(1), xs), xs)


def haiku_layer(case: Case) -> Layer:
    """haiku.dynamic_unroll."""
    import haiku as hk

    _has_elman("haiku, whose VanillaRNN has a ReLU,", case)

    def unroll(xs):
        core = hk.LSTM(case.H) if case.kind == "lstm" else hk.GRU(case.H)
        return hk.dynamic_unroll(core, xs, core.initial_state(case.B))[0]

    xs = inputs(case)
    model: Any = hk.without_apply_rng(hk.transform(unroll))
    return Layer(model.apply, model.init(jax.random.key(1), xs), xs)


def _has_elman(library: str, case: Case) -> None:
    if case.kind == "rnn":
        raise ImportError(f"{library} has no Elman cell with tanh")


def equinox_layer(case: Case) -> Layer:
    """lax.scan over a vmapped equinox cell."""
    import equinox as eqx

    _has_elman("equinox", case)
    make = eqx.nn.LSTMCell if case.kind == "lstm" else eqx.nn.GRUCell
    params, static = eqx.partition(
        make(case.D, case.H, key=jax.random.key(1)), eqx.is_inexact_array
    )
    zeros = jnp.zeros((case.B, case.H))

    def apply(params, xs):
        cell = jax.vmap(eqx.combine(params, static))

        def step(carry, x_t):
            carry = cell(x_t, carry)
            return carry, carry[0] if case.kind == "lstm" else carry

        return jax.lax.scan(step, (zeros, zeros) if case.kind == "lstm" else zeros, xs)[1]

    return Layer(apply, params, inputs(case))


def keras_layer(case: Case) -> Layer:
    """keras on JAX; its layers are batch-major."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras

    if keras.backend.backend() != "jax":
        raise ImportError("keras runs on another backend than JAX")
    make = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}
    layer = make[case.kind](case.H, return_sequences=True)
    layer.build((case.B, case.T, case.D))
    params = [variable.value for variable in layer.trainable_variables]
    rest = [variable.value for variable in layer.non_trainable_variables]
    xs = jnp.asarray(inputs(case).swapaxes(0, 1))
    return Layer(lambda p, xs: layer.stateless_call(p, rest, xs)[0], params, xs)


def matmuls_alone(case: Case) -> Layer:
    """The matmuls of a layer, as JAX runs them, with hardly anything between them.

    h_t is the sum over the gates of x_t W + h_tm1 U, with x W before the loop where rnnjax does so.
    Backward, a loop over d_t = g_t U' with g_t = (d_t, ..., d_t); then W and U get their sums over
    all steps at once, and the inputs g W'.
    """
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[case.kind]
    w, u = (
        jax.random.normal(jax.random.key(key), (size, gates * case.H)) / (4 * size**0.5)
        for key, size in enumerate((case.D, case.H), start=1)
    )
    ahead = projects_ahead(w.size, case.B)

    @jax.custom_vjp
    def apply(params, xs):
        w, u = params

        def step(h, x_t):
            z = (x_t if ahead else x_t @ w) + h @ u
            h = z.reshape(case.B, gates, case.H).sum(1)
            return h, h

        h_0 = jnp.zeros((case.B, case.H))
        return jax.lax.scan(step, h_0, xs @ w if ahead else xs)[1]

    def forward(params, xs):
        hs = apply(params, xs)
        return hs, (params, xs, hs)

    def backward(kept, d_hs):
        (w, u), xs, hs = kept

        def back(d, d_h):
            g = jnp.tile(d + d_h, gates)
            return g @ u.T, g

        _, gs = jax.lax.scan(back, jnp.zeros_like(hs[0]), d_hs, reverse=True)
        d_w, d_u = (jnp.einsum("tbd,tbg->dg", a, g) for a, g in ((xs, gs), (hs[:-1], gs[1:])))
        return (d_w, d_u), gs @ w.T

    apply.defvjp(forward, backward)
    return Layer(apply, (w, u), inputs(case))


def torch_device() -> str:
    """Where torch runs: on a GPU where JAX does."""
    import torch

    if jax.default_backend() != "gpu":
        return "cpu"
    if not torch.cuda.is_available():
        raise ImportError("this torch knows no GPU")
    return "cuda"


def torch_calls(case: Case) -> Calls:
    """torch.nn: by cuDNN where JAX runs on a GPU, else on the CPU."""
    import numpy as np
    import torch

    device = torch_device()
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    make = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
    layer = make[case.kind](case.D, case.H, device=device)
    layer.flatten_parameters()
    xs = torch.from_numpy(np.array(inputs(case))).to(device).requires_grad_()

    def forward():
        with torch.no_grad():
            layer(xs)
        wait()

    def train():
        layer.zero_grad()
        xs.grad = None
        (layer(xs)[0] ** 2).sum().backward()
        wait()

    return Calls(forward, train)


# What is timed, by the name it has in tables; the first is what the ratios refer to.
BASELINE = "flax.nnx"
CONTENDERS: dict[str, Callable[[Case], Calls]] = {
    BASELINE: lambda case: calls(nnx_layer(case)),
    "rnnjax": lambda case: calls(rnnjax_layer(case)),
    "rnnjax bfloat16": lambda case: calls(rnnjax_layer(case, compute_dtype=jnp.bfloat16)),
    "flax.linen": lambda case: calls(linen_layer(case)),
    "haiku": lambda case: calls(haiku_layer(case)),
    "equinox": lambda case: calls(equinox_layer(case)),
    "keras on JAX": lambda case: calls(keras_layer(case)),
    "torch": torch_calls,
    "matmuls alone": lambda case: calls(matmuls_alone(case)),
}
CELLS_ALONE: dict[str, Callable[[Case], Calls]] = {
    "plain scan": lambda case: calls(rnnjax_layer(case, apply=plain_scan)),
    "rnnjax": CONTENDERS["rnnjax"],
}
PERSISTENT: dict[str, Callable[[Case], Calls]] = {
    **{name: CONTENDERS[name] for name in (BASELINE, "rnnjax", "rnnjax bfloat16", "torch")},
    "persistent": lambda case: calls(rnnjax_layer(case, engine="persistent")),
    "persistent bfloat16": lambda case: calls(
        rnnjax_layer(case, engine="persistent", compute_dtype=jnp.bfloat16)
    ),
}
