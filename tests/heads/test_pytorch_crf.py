"""Log-likelihoods, best tags and gradients of pytorch-crf, stored in float64."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.heads import crf

STORED = np.load(Path(__file__).parent.parent / "reference" / "crf.npz")


@pytest.mark.parametrize("parallel", [False, True], ids=["sequential", "parallel"])
@pytest.mark.parametrize("case", ["mild", "sharp"])
def test_pytorch_crf(case, parallel):
    stored = {
        name.removeprefix(f"{case}_"): STORED[name] for name in STORED if name.startswith(case)
    }

    @jax.jit
    def values_and_gradients(params, scores):
        def objective(params, scores):
            values = crf.log_likelihood(
                params, scores, stored["tags"], stored["lengths"], parallel=parallel
            )
            return jnp.dot(stored["weights"], values), values

        return jax.grad(objective, argnums=(0, 1), has_aux=True)(params, scores)

    params = crf.CRFParams(*(stored[name] for name in crf.CRFParams._fields))
    with jax.enable_x64(True):
        (slopes, slopes_scores), values = values_and_gradients(params, stored["scores"])
        best, _ = jax.jit(crf.viterbi)(params, stored["scores"], stored["lengths"])
    np.testing.assert_allclose(values, stored["log_likelihood"], rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(slopes_scores, stored["gradient_scores"], rtol=1e-9, atol=1e-11)
    for name, slope in slopes._asdict().items():
        np.testing.assert_allclose(slope, stored[f"gradient_{name}"], rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(best, np.maximum(stored["best"], 0))
