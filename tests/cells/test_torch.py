"""Outputs, carries and all gradients of torch.nn, stored in float64."""

import jax
import numpy as np
import pytest

import rnnjax
from tests.cells.zoo import jit
from tests.reference import torch_weights

H, P = torch_weights.H, 2

# Case: (a layer, number of layers, bidirectional).
CASES = {
    "rnn_tanh": (rnnjax.rnn(H), 1, False),
    "rnn_relu": (rnnjax.rnn(H, activation=jax.nn.relu), 1, False),
    "rnn_two_layers": (rnnjax.rnn(H), 2, False),
    "gru": (rnnjax.gru(H), 1, False),
    "gru_two_layers": (rnnjax.gru(H), 2, False),
    "gru_bidirectional": (rnnjax.gru(H), 1, True),
    "lstm": (rnnjax.lstm(H), 1, False),
    "lstm_projection": (rnnjax.lstm(H, projection_size=P), 1, False),
    "lstm_two_layers": (rnnjax.lstm(H), 2, False),
    "lstm_bidirectional": (rnnjax.lstm(H), 1, True),
    "lstm_bidirectional_two_layers": (rnnjax.lstm(H), 2, True),
    "lstm_bidirectional_ragged": (rnnjax.lstm(H), 1, True),
}


@pytest.mark.parametrize("case", CASES)
def test_torch(case):
    layer, num_layers, both = CASES[case]
    cell = rnnjax.bidirectional(layer, layer) if both else layer
    if num_layers > 1:
        cell = rnnjax.stack([cell] * num_layers)
    stored = torch_weights.load(case)

    def params(gradient):
        return torch_weights.network(
            lambda row, suffix: torch_weights.layer_params(stored, suffix, gradient=gradient),
            num_layers,
            both,
        )

    def carries(moment, prefix=""):
        return torch_weights.network(
            lambda row, suffix: torch_weights.layer_carry(stored, row, moment, prefix=prefix),
            num_layers,
            both,
        )

    mask = None
    if case.endswith("ragged"):
        mask = np.arange(5)[:, None] < np.array([5, 3, 1])

    @jit
    def outputs_and_gradients(arguments, cotangents):
        def outputs(params, xs, carry):
            carry, ys = rnnjax.unroll(cell, params, xs, carry, mask=mask)
            return ys, carry

        computed, pull_back = jax.vjp(outputs, *arguments)
        return computed, pull_back(cotangents)

    arguments = params(False), stored["xs"], carries("0")
    cotangents = stored["cotangent_ys"], carries("n", "cotangent_")
    with jax.enable_x64(True):
        computed, gradients = outputs_and_gradients(arguments, cotangents)

    expected = stored["ys"], carries("n")
    expected_gradients = params(True), stored["gradient_xs"], carries("0", "gradient_")
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12),
        (computed, gradients),
        (expected, expected_gradients),
    )
