"""Mamba-2 and the gated DeltaNet against stored outputs of Hugging Face's transformers."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.cells.gated_deltanet import GatedDeltaNetParams
from rnnjax.cells.mamba2 import Mamba2Params

REFERENCE = Path(__file__).parents[1] / "reference"


def taps_of(weight):
    """`[W, C]`, this step first, from `[C, 1, W]`, the earliest step first."""
    return weight[:, 0, ::-1].T


def mamba2_params(stored):
    return Mamba2Params(
        w_ih=stored["in_proj.weight"].T, taps=taps_of(stored["conv1d.weight"]),
        b_taps=stored["conv1d.bias"], b_dt=stored["dt_bias"], log_a=stored["A_log"],
        skip=stored["D"], scale=stored["norm.weight"],
    )  # fmt: skip


def gated_deltanet_params(stored):
    """There the columns of a head stand together, here those of q, of k, of v and of z do."""
    wide = stored["in_proj_qkvz.weight"].reshape(2, 4, 4, -1).swapaxes(0, 1).reshape(32, -1)
    beta, a = stored["in_proj_ba.weight"].reshape(2, 2, -1).swapaxes(0, 1)
    return GatedDeltaNetParams(
        w_ih=np.concatenate([wide, a, beta]).T, taps=taps_of(stored["conv1d.weight"]),
        b_dt=stored["dt_bias"], log_a=stored["A_log"], scale=stored["norm.weight"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "cell", "params_of"),
    [
        ("mamba2", rnnjax.mamba2(8, num_heads=2, state_size=3), mamba2_params),
        ("gated_deltanet", rnnjax.gated_deltanet(8, num_heads=2), gated_deltanet_params),
    ],
)
def test_outputs_are_those_of_transformers(name, cell, params_of):
    with np.load(REFERENCE / f"{name}.npz") as file:
        stored = dict(file)
    _, ys = rnnjax.unroll(cell, params_of(stored), stored["xs"].swapaxes(0, 1))
    np.testing.assert_allclose(ys.swapaxes(0, 1), stored["ys"], rtol=1e-4, atol=2e-6)


def test_the_gradients_of_slow_units_of_s5_are_those_of_float64():
    """The input is multiplied by about Delta, the difference of almost equal numbers."""
    cell = rnnjax.s5(4)

    def gradient(params):
        return jax.grad(lambda p: rnnjax.unroll(cell, p, jnp.ones((1, 2)))[1].sum())(params)

    params = cell.init(jax.random.key(0), 2)._replace(log_step=jnp.full(4, np.log(1e-3)))
    found = gradient(params)
    with jax.enable_x64(True):
        exact = gradient(jax.tree.map(lambda leaf: leaf.astype(float), params))
    for one, other in zip(found, exact, strict=True):
        np.testing.assert_allclose(one, other, rtol=5e-3)
