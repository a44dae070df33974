"""Cases whose outputs and weights are stored in tests/reference."""

import json
from pathlib import Path

import jax
from safetensors import safe_open

import rnnjax
from rnnjax.interchange.tensors import nested

STORED = Path(__file__).parents[1] / "reference/peers.safetensors"
H = 4
KERAS = {
    "keras_lstm": rnnjax.lstm(H),
    "keras_lstm_no_bias": rnnjax.lstm(H),
    "keras_gru": rnnjax.gru(H),
    "keras_gru_reset_before": rnnjax.gru(H, reset="before"),
    "keras_rnn": rnnjax.rnn(H),
    "keras_rnn_relu": rnnjax.rnn(H, activation=jax.nn.relu),
}
HAIKU = {
    "haiku_lstm": rnnjax.lstm(H),
    "haiku_gru": rnnjax.gru(H, reset="before"),
    "haiku_rnn": rnnjax.rnn(H, activation=jax.nn.relu),
    "haiku_rnn_one_bias": rnnjax.rnn(H, activation=jax.nn.relu),
}


def load(case):
    """The arrays of a case by name, and the config of a layer of Keras."""
    with safe_open(STORED, "numpy") as file:
        names = [name for name in file.offset_keys() if name.startswith(f"{case}/")]
        arrays = {name.removeprefix(f"{case}/"): file.get_tensor(name) for name in names}
        return arrays, json.loads(file.metadata().get(case, "null"))


def of_keras(case):
    """Inputs and outputs `[T, B, ...]`, weights in the order of Keras, and the config."""
    arrays, config = load(case)
    xs, ys = (arrays.pop(name).swapaxes(0, 1) for name in ("xs", "ys"))
    return xs, ys, [arrays[str(n)] for n in range(len(arrays))], config


def of_haiku(case):
    """Inputs and outputs `[T, B, ...]`, and the parameters by module and name."""
    arrays, _ = load(case)
    xs, ys = (arrays.pop(name).swapaxes(0, 1) for name in ("xs", "ys"))
    return xs, ys, nested(arrays)
