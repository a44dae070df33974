"""Weights that do not fit: each a line that says what was expected and what came."""

import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import interchange
from rnnjax.interchange.layers import permute
from tests.interchange import peers
from tests.interchange.test_libraries import random_params

CELL = rnnjax.lstm(4)
STATE = interchange.to_torch(CELL, random_params(CELL))
HALF = {name: array for name, array in STATE.items() if name != "bias_hh_l0"}


def told(function, *arguments):
    """The message of the UserError, which is one line."""
    with pytest.raises(rnnjax.UserError) as error:
        function(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


TORCH = {
    "another network": (
        CELL, {"conv1.weight": np.zeros((3, 3))},
        "the state dict lacks weight_ih_l0, which lstm(4) takes in shape [16, D]; "
        "it has conv1.weight",
    ),
    "part of a network": (
        CELL, {f"encoder.{name}": array for name, array in STATE.items()},
        'did you mean prefix="encoder."?',
    ),
    "another kind": (
        rnnjax.gru(4), STATE,
        "the state dict: weight_ih_l0 has shape [16, 3]; gru(4) takes [12, D]",
    ),
    "another size": (
        rnnjax.lstm(5), STATE,
        "the state dict: weight_ih_l0 has shape [16, 3]; lstm(5) takes [20, D]",
    ),
    "one axis": (
        CELL, {**STATE, "weight_hh_l0": np.zeros(16)},
        "weight_hh_l0 has shape [16]; lstm(4) takes [16, 4]",
    ),
    "one bias": (CELL, HALF, "lacks bias_hh_l0, which lstm(4) takes in shape [16]"),
    "fewer layers": (
        rnnjax.stack([CELL] * 2), STATE, "lacks weight_ih_l1, which lstm(4) takes in shape [16, 4]"
    ),
    "one direction": (
        rnnjax.bidirectional(CELL, CELL), STATE, "lacks weight_ih_l0_reverse, which"
    ),
    "more layers": (
        CELL, STATE | {"weight_ih_l1": np.zeros((16, 4))},
        "the state dict has weight_ih_l1, which lstm(4) has no place for",
    ),
    "no arrays": (CELL, [1, 2], "the state dict: expected arrays by name; got list"),
    "peepholes": (
        rnnjax.lstm(4, peepholes=True), STATE, "torch.nn has no LSTM with peepholes=True"
    ),
    "reset before": (
        rnnjax.gru(4, reset="before"), STATE,
        "the GRU of torch.nn has reset='after'; got gru(4, reset=before)",
    ),
    "another activation": (
        rnnjax.rnn(4, activation=jnp.sin), STATE, "the RNN of torch.nn has activation tanh or relu"
    ),
    "another cell": (rnnjax.indrnn(4), STATE, "torch.nn has no layer like indrnn(4): expected"),
    "zoneout": (rnnjax.zoneout(CELL, 0.1), STATE, "torch.nn has no layer like zoneout("),
    "residual": (rnnjax.residual(CELL), STATE, "torch.nn has no layer like residual("),
    "a sum of directions": (
        rnnjax.bidirectional(CELL, CELL, combine="sum"), STATE, "puts directions side by side"
    ),
    "no cell": ("lstm", STATE, "weights travel for a Cell, such as rnnjax.lstm(128); got 'lstm'"),
}  # fmt: skip


@pytest.mark.parametrize("case", TORCH)
def test_torch(case):
    cell, state, message = TORCH[case]
    assert message.replace("reset=before", "reset='before'") in told(
        interchange.from_torch, cell, state
    )


@pytest.mark.parametrize(
    ("cell", "change", "message"),
    [
        (CELL, {"activation": "softsign"}, "has activation='softsign'; lstm(4) has 'tanh'"),
        (CELL, {"recurrent_activation": "hard_sigmoid"}, "recurrent_activation='hard_sigmoid'"),
        (rnnjax.gru(4), {}, "the config of the Keras layer lacks reset_after: no gru?"),
        (rnnjax.gru(4), {"reset_after": False}, "has reset_after=False; gru(4) has True"),
        (rnnjax.gru(4), {"reset_after": True}, "kernel has shape [3, 16]; gru(4) takes [D, 12]"),
        (rnnjax.lstm(4, projection_size=2), {}, "Keras has no LSTM with a projection"),
        (CELL, {"use_bias": False}, "the Keras layer has bias, which lstm(4) has no place for"),
    ],
)
def test_keras(cell, change, message):
    *_, weights, config = peers.of_keras("keras_lstm")
    assert message in told(interchange.from_keras, cell, weights, {**config, **change})


def test_haiku_and_flax():
    *_, modules = peers.of_haiku("haiku_lstm")
    assert "haiku lacks gru/w_i, which" in told(
        interchange.from_haiku, rnnjax.gru(4, reset="before"), modules
    )
    assert "has reset='before'" in told(interchange.from_haiku, rnnjax.gru(4), modules)
    assert "expected a cell of flax.nnx; got int" in told(interchange.from_nnx, CELL, 1)
    tensors = interchange.to_linen(CELL, random_params(CELL))
    tensors["ii"]["kernel"] = np.zeros((3, 5))
    assert "flax.linen: ii/kernel has shape [3, 5]; lstm(4) takes [D, 4]" in told(
        interchange.from_linen, CELL, tensors
    )


def test_params_of_another_cell():
    message = told(interchange.to_torch, CELL, random_params(rnnjax.lstm(5)))
    assert re.search(r"lstm\(4\) has params.w_ih of shape \[3, 16\]; got \[3, 20\]", message)


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth", "weights.bin", "weights"])
def test_a_pickle_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(STATE))
    message = told(interchange.read_safetensors, path)
    assert message.startswith(f"{path} is a pickle, which may run any code")
    assert "safetensors" in message


def test_files_that_cannot_be_read(tmp_path):
    missing, damaged = tmp_path / "none.safetensors", tmp_path / "damaged.safetensors"
    assert told(interchange.read_safetensors, missing) == (
        f"cannot read {missing}: No such file or directory"
    )
    interchange.write_safetensors(damaged, STATE)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert f"{damaged} is no intact file in safetensors" in told(
        interchange.read_safetensors, damaged
    )
    nowhere = tmp_path / "no" / "where.safetensors"
    assert f"cannot write {nowhere}" in told(interchange.write_safetensors, nowhere, STATE)


def test_permuted_gates_are_found_by_their_letters():
    packed = np.arange(8).reshape(1, 8)
    np.testing.assert_array_equal(permute(packed, "ifgo", "igfo"), [[0, 1, 4, 5, 2, 3, 6, 7]])
    np.testing.assert_array_equal(permute(permute(packed, "ifgo", "ogif"), "ogif", "ifgo"), packed)


def test_a_network_with_dropout_of_weights_and_layers():
    cell = rnnjax.stack(
        [
            rnnjax.weight_drop(CELL, 0.2),
            rnnjax.variational_dropout(0.1),
            rnnjax.bidirectional(rnnjax.lstm(2), rnnjax.weight_drop(rnnjax.lstm(2), 0.2)),
        ]
    )
    params = random_params(cell)
    state = interchange.to_torch(cell, params, prefix="rnn.")
    assert state["rnn.weight_ih_l1_reverse"].shape == (8, 4)
    back = interchange.from_torch(cell, state, prefix="rnn.")
    jax.tree.map(np.testing.assert_array_equal, back, params)
