"""The bound against a NumPy loop in float64, and against the likelihood found by integration."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from flax import nnx
from scipy import integrate, stats

from rnnjax import training
from rnnjax.tasks.draw import draw_network
from rnnjax.tasks.draw.config import DrawConfig
from tests.tasks.draw.test_attention import filters_by_hand

SMALL = DrawConfig(cell="rnn", hidden_size=5, num_glimpses=3, latent_size=2, read_size=2,
                   write_size=3)  # fmt: skip
WHOLE = dataclasses.replace(SMALL, read_size=0, write_size=0)
SHAPE = (4, 6)


def network(config, seed=0):
    """A network whose every parameter is drawn, biases too."""
    model = draw_network.make_model(config, np.full(SHAPE, 0.3))
    graph, params = nnx.split(model, nnx.Param)
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda p: (0.5 * rng.normal(size=p.shape)).astype(np.float32), params)
    return nnx.merge(graph, params), graph, params


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(model, config, image, noise):
    """Reconstruction, KL and canvas of one image, as the paper has them; the cell is a tanh RNN."""
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), nnx.to_pure_dict(nnx.state(model)))
    (enc, _), (dec, _) = p["encoder"]["params"], p["decoder"]["params"]
    b_size, a_size = image.shape
    canvas, h_enc, h_dec = p["first_canvas"], np.zeros(5), np.zeros(5)
    kl = 0.0

    def windowed(name, n):
        x, y, v, d, g = h_dec @ p[name]["kernel"] + p[name]["bias"]
        where = ((a_size + 1) / 2 * (x + 1), (b_size + 1) / 2 * (y + 1),
                 (max(a_size, b_size) - 1) / (n - 1) * np.exp(d), np.exp(v))  # fmt: skip
        return *filters_by_hand(*where, n, a_size, b_size), np.exp(g)

    for noise_t in noise:
        error = image - sigmoid(canvas)
        if config.read_size:
            f_x, f_y, gamma = windowed("read_window", config.read_size)
            seen = [gamma * f_y @ part @ f_x.T for part in (image, error)]
        else:
            seen = [image, error]
        inputs = np.concatenate([*(part.ravel() for part in seen), h_dec])
        h_enc = np.tanh(inputs @ enc.w_ih + h_enc @ enc.w_hh + enc.b)
        mu, log_sigma = np.split(h_enc @ p["posterior"]["kernel"] + p["posterior"]["bias"], 2)
        z = mu + np.exp(log_sigma) * noise_t
        for m, s in zip(mu, np.exp(log_sigma), strict=True):
            kl += 0.5 * (m**2 + s**2 - np.log(s**2)) - 0.5
        h_dec = np.tanh(z @ dec.w_ih + h_dec @ dec.w_hh + dec.b)
        patch = h_dec @ p["write"]["kernel"] + p["write"]["bias"]
        if config.write_size:
            f_x, f_y, gamma = windowed("write_window", config.write_size)
            patch = f_y.T @ patch.reshape(config.write_size, -1) @ f_x / gamma
        canvas = canvas + patch.reshape(image.shape)
    q = sigmoid(canvas)
    return -np.log(np.where(image == 1, q, 1 - q)).sum(), kl, canvas


@pytest.mark.parametrize("config", [SMALL, WHOLE])
def test_the_bound_is_that_of_a_loop_in_numpy(config):
    model, *_ = network(config)
    images = (np.random.default_rng(1).random((3, *SHAPE)) < 0.4).astype(np.uint8)
    indices = np.array([4, 7, -1], np.int32)  # The last row is filler.
    noise = np.asarray(draw_network.noise_of(indices, config), np.float64)
    loss = draw_network.batch_loss(config, model, {"images": images, "indices": indices}, None)
    expected = [by_hand(model, config, images[n].astype(float), noise[:, n]) for n in range(2)]
    np.testing.assert_allclose(loss.metrics["reconstruction"], sum(e[0] for e in expected), 1e-5)
    np.testing.assert_allclose(loss.metrics["KL"], sum(e[1] for e in expected), 1e-5)
    np.testing.assert_allclose(loss.total, sum(e[0] + e[1] for e in expected), 1e-5)
    assert loss.count == 2
    painting = model.reconstruct(images, noise.astype(np.float32))
    np.testing.assert_allclose(painting.canvases[-1, 0], expected[0][2], atol=1e-5)


def test_the_kl_is_what_integration_gives():
    mu, log_sigma = np.array([0.7, -1.2]), np.array([0.3, -0.8])
    found = draw_network.kl_to_prior(mu, log_sigma)
    expected = 0
    for m, s in zip(mu, np.exp(log_sigma), strict=True):
        q, p = stats.norm(m, s), stats.norm()
        gap = lambda z, q=q, p=p: q.pdf(z) * (q.logpdf(z) - p.logpdf(z))  # noqa: E731
        expected += integrate.quad(gap, m - 12 * s, m + 12 * s)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_bound_is_above_the_likelihood_by_the_divergence_of_the_posterior():
    """With one latent variable, p(x) and p(z | x) are integrals over a line.

    bound = -log p(x) + KL(q(z | x) || p(z | x))
    """
    config = dataclasses.replace(WHOLE, num_glimpses=1, latent_size=1)
    model, _, _ = network(config, seed=3)
    image = (np.random.default_rng(2).random((1, *SHAPE)) < 0.4).astype(np.float32)
    z = np.linspace(-9, 9, 4001)
    canvases = model.paint(z.astype(np.float32)[None, :, None]).canvases[-1]
    log_likelihood = -np.asarray(draw_network.reconstruction_nats(canvases, image), np.float64)
    log_joint = log_likelihood + stats.norm.logpdf(z)
    evidence = integrate.trapezoid(np.exp(log_joint), z)

    noise = np.random.default_rng(5).normal(size=(1, 20_000, 1)).astype(np.float32)
    painting = model.reconstruct(np.repeat(image, 20_000, axis=0), noise)
    nats = draw_network.reconstruction_nats(painting.canvases[-1], image) + painting.kl[0]
    _, kl, _ = by_hand(model, config, image[0].astype(np.float64), np.zeros((1, 1)))
    assert kl == pytest.approx(float(painting.kl[0, 0]), rel=1e-5)
    mu_sigma = _posterior(model, config, image[0])
    q = stats.norm(*mu_sigma).logpdf(z)
    divergence = integrate.trapezoid(np.exp(q) * (q - log_joint + np.log(evidence)), z)
    assert divergence > 0.01
    expected = -np.log(evidence) + divergence
    error = float(np.std(nats)) / np.sqrt(nats.size)
    assert float(np.mean(nats)) == pytest.approx(expected, abs=5 * error + 1e-4)


def _posterior(model, config, image):
    """mu and sigma of the one latent variable: z for noise 0 and its derivative."""
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), nnx.to_pure_dict(nnx.state(model)))
    enc, _ = p["encoder"]["params"]
    error = image - sigmoid(p["first_canvas"])
    inputs = np.concatenate([image.ravel(), error.ravel(), np.zeros(5)])
    h_enc = np.tanh(inputs @ enc.w_ih + enc.b)
    mu, log_sigma = h_enc @ p["posterior"]["kernel"] + p["posterior"]["bias"]
    return mu, np.exp(log_sigma)


def test_the_gradient_of_the_bound_is_that_of_differences():
    _, graph, params = network(SMALL)
    images = (np.random.default_rng(1).random((2, *SHAPE)) < 0.4).astype(np.uint8)
    batch = {"images": images, "indices": np.arange(2, dtype=np.int32)}
    loss = training.loss_of_params(graph, functools.partial(draw_network.batch_loss, SMALL))
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
        total = jax.jit(lambda p: loss(p, None, batch, None).total)
        gradient = jax.grad(total)(wide)
        rng = np.random.default_rng(4)
        way = jax.tree.map(lambda a: rng.normal(size=a.shape), wide)
        step = 1e-3
        ahead, back = (
            total(jax.tree.map(lambda a, w, s=sign: a + s * step * w, wide, way))
            for sign in (1, -1)
        )
        along = sum(map(np.vdot, jax.tree.leaves(gradient), jax.tree.leaves(way)))
    np.testing.assert_allclose(along, (float(ahead) - float(back)) / (2 * step), rtol=1e-4)
