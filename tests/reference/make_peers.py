"""Stores what layers of Keras and haiku compute, for tests/interchange: `python make_peers.py`.

Needs `pip install keras dm-haiku safetensors`. `peers.safetensors` holds, for each case, the inputs
`CASE/xs [B, T, D]`, the outputs `CASE/ys [B, T, H]` and the weights: `CASE/0`, `CASE/1`, ... in the
order of `layer.get_weights()` of Keras, `CASE/MODULE/NAME` of haiku. Its metadata hold the config
of each layer of Keras, as JSON.
"""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import haiku
import jax
import keras
import numpy as np
from safetensors.numpy import save_file

B, T, D, H = 3, 5, 3, 4
KERAS = {
    "keras_lstm": lambda: keras.layers.LSTM(H, return_sequences=True),
    "keras_lstm_no_bias": lambda: keras.layers.LSTM(H, return_sequences=True, use_bias=False),
    "keras_gru": lambda: keras.layers.GRU(H, return_sequences=True),
    "keras_gru_reset_before": lambda: keras.layers.GRU(H, return_sequences=True, reset_after=False),
    "keras_rnn": lambda: keras.layers.SimpleRNN(H, return_sequences=True),
    "keras_rnn_relu": lambda: keras.layers.SimpleRNN(H, "relu", return_sequences=True),
}
HAIKU = {
    "haiku_lstm": lambda: haiku.LSTM(H),
    "haiku_gru": lambda: haiku.GRU(H),
    "haiku_rnn": lambda: haiku.VanillaRNN(H),
    "haiku_rnn_one_bias": lambda: haiku.VanillaRNN(H, double_bias=False),
}


def normal(draw, shape):
    return (0.5 * draw.standard_normal(shape)).astype(np.float32)


def of_keras(make, draw):
    layer, xs = make(), normal(draw, (B, T, D))
    layer.build(xs.shape)
    weights = [normal(draw, weight.shape) for weight in layer.get_weights()]
    layer.set_weights(weights)
    arrays = {str(n): weight for n, weight in enumerate(weights)}
    return {"xs": xs, "ys": np.asarray(layer(xs)), **arrays}, layer.get_config()


def of_haiku(make, draw):
    @haiku.without_apply_rng
    @haiku.transform
    def network(xs):
        core = make()
        state = core.initial_state(len(xs))
        return haiku.dynamic_unroll(core, xs, state, time_major=False)[0]

    xs = normal(draw, (B, T, D))
    shapes = network.init(jax.random.key(0), xs)
    params = jax.tree.map(lambda leaf: normal(draw, leaf.shape), shapes)
    arrays = {f"{m}/{name}": a for m, group in params.items() for name, a in group.items()}
    return {"xs": xs, "ys": np.asarray(network.apply(params, xs)), **arrays}


def main() -> None:
    """Writes the file beside this script."""
    draw, tensors, configs = np.random.default_rng(0), {}, {}
    for case, make in KERAS.items():
        arrays, configs[case] = of_keras(make, draw)
        tensors |= {f"{case}/{name}": array for name, array in arrays.items()}
    for case, make in HAIKU.items():
        tensors |= {f"{case}/{name}": array for name, array in of_haiku(make, draw).items()}
    metadata = {case: json.dumps(config) for case, config in configs.items()}
    save_file(tensors, Path(__file__).parent / "peers.safetensors", metadata)


if __name__ == "__main__":
    jax.config.update("jax_default_matmul_precision", "highest")
    main()
