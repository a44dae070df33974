"""The network of DRAW and its loss, the variational bound."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import training
from rnnjax.cells.cell import split_key
from rnnjax.cells.pointwise import drop
from rnnjax.models import Recurrent
from rnnjax.models.network import Network
from rnnjax.models.recurrent import check_left_to_right
from rnnjax.tasks.draw import attention
from rnnjax.tasks.draw.attention import NUM_PARAMETERS, Window
from rnnjax.tasks.draw.config import DrawConfig
from rnnjax.typing import Array, Batch, Carry, PRNGKey

HELD_OUT_SEED = 0
"""Of the noise of evaluation: that of an image depends on its index alone."""


class Painting(NamedTuple):
    """The canvases and windows of T steps, for B images of h x w pixels.

    Attributes:
        canvases: log-odds of each pixel after each step, `[T, B, h, w]`.
        reads: where it read, fields `[T, B]`; None: without attention, or from the prior.
        writes: where it wrote; None: without attention.
        kl: of each step, in nats, `[T, B]`; 0 from the prior.
    """

    canvases: Array
    reads: Window | None
    writes: Window | None
    kl: Array


class DrawNetwork(Network):
    """A recurrent encoder and a recurrent decoder that take turns T times.

    ::

        r_t = read(x, x - sigmoid(c_{t-1}), h_dec_{t-1})
        h_enc_t = encoder([r_t, h_dec_{t-1}])
        mu_t, log sigma_t = linear(h_enc_t),   z_t = mu_t + sigma_t noise_t
        h_dec_t = decoder(z_t)
        c_t = c_{t-1} + write(h_dec_t)
        p(x | z) = Bernoulli(sigmoid(c_T))

    The prior of each z_t is the standard normal distribution. With attention, `read` and `write`
    see the image through a grid of Gaussian filters whose place is linear in h_dec. The first
    canvas c_0 is learned; it begins as the log-odds of the mean image. The first h_dec is 0.

    References:
        Gregor et al. 2015, "DRAW: a recurrent neural network for image generation".
    """

    def __init__(self, config: DrawConfig, mean: np.ndarray, *, rngs: nnx.Rngs):
        """Draws the parameters.

        Args:
            mean: image of the training data, `[h, w]`, values in [0, 1].

        Raises:
            UserError: the cell is bidirectional.
        """
        cell = config.network()
        check_left_to_right(cell, "a network that paints")
        self.shape, self.dropout = mean.shape, config.dropout
        self.read_size, self.write_size = config.read_size, config.write_size
        pixels, latent = mean.size, config.latent_size
        read = 2 * (config.read_size**2 or pixels)
        h_dec = cell.output_size(latent)

        def linear(size_in: int, size_out: int) -> nnx.Linear:
            options: dict[str, Any] = {}
            if config.operand_dtype is not None:
                options = {"dtype": config.operand_dtype, "preferred_element_type": jnp.float32}
            return nnx.Linear(size_in, size_out, **options, rngs=rngs)

        self.encoder = Recurrent(cell, read + h_dec, rngs=rngs)
        self.decoder = Recurrent(cell, latent, rngs=rngs)
        self.posterior = linear(self.encoder.output_size, 2 * latent)
        self.read_window = nnx.data(linear(h_dec, NUM_PARAMETERS) if config.read_size else None)
        self.write_window = nnx.data(linear(h_dec, NUM_PARAMETERS) if config.write_size else None)
        self.write = linear(h_dec, config.write_size**2 or pixels)
        smooth = np.clip(mean, 0.01, 0.99)
        self.first_canvas = nnx.Param(jnp.asarray(np.log(smooth / (1 - smooth)), jnp.float32))

    def reconstruct(self, images: Array, noise: Array, key: PRNGKey | None = None) -> Painting:
        """Paints given images.

        Args:
            images: `[B, h, w]`, 0 or 1.
            noise: standard normal, `[T, B, Z]`.
            key: turns on dropout; the masks of an image are the same at every step.
        """
        images = images.astype(jnp.float32)
        key_encoder, key_decoder = split_key(key, 2)

        def step(carry, noise_t):
            (h_enc, *painter), (canvas, hidden, _) = carry, carry[1:]
            with jax.named_scope("read"):
                seen = jnp.stack([images, images - jax.nn.sigmoid(canvas)], axis=1)
                read = self._window(self.read_window, hidden, self.read_size)
                if read is not None:
                    seen = attention.read_patch(seen, read, self.read_size)
            inputs = jnp.concatenate([seen.reshape(len(seen), -1), hidden], axis=-1)
            h_enc, y_t = self.encoder.step(inputs, h_enc)
            y_t = drop(y_t, self.dropout, key_encoder, y_t.shape)
            mu, log_sigma = jnp.split(self.posterior(y_t), 2, axis=-1)
            z_t = mu + jnp.exp(log_sigma) * noise_t
            painter, written = self._paint(tuple(painter), z_t, key_decoder)
            return (h_enc, *painter), (painter[0], read, written, kl_to_prior(mu, log_sigma))

        first = (self.encoder.initial_carry(len(images)), *self._first(len(images)))
        return Painting(*jax.lax.scan(step, first, noise)[1])

    def paint(self, latents: Array) -> Painting:
        """Paints from latent variables `[T, B, Z]`; drawn from the prior, they give samples."""

        def step(painter, z_t):
            painter, written = self._paint(painter, z_t)
            return painter, (painter[0], None, written, jnp.zeros(z_t.shape[0]))

        return Painting(*jax.lax.scan(step, self._first(latents.shape[1]), latents)[1])

    def _first(self, rows: int) -> tuple[Array, Array, Carry]:
        canvas = jnp.broadcast_to(self.first_canvas.get_value(), (rows, *self.shape))
        hidden = jnp.zeros((rows, self.decoder.output_size))
        return canvas, hidden, self.decoder.initial_carry(rows)

    def _paint(
        self, painter: tuple[Array, Array, Carry], z_t: Array, key: PRNGKey | None = None
    ) -> tuple[tuple[Array, Array, Carry], Window | None]:
        """One step of the decoder, from the canvas, h_dec and the carry before it."""
        canvas, _, carry = painter
        carry, hidden = self.decoder.step(z_t, carry)
        hidden = drop(hidden, self.dropout, key, hidden.shape)
        with jax.named_scope("write"):
            written, size = self.write(hidden), self.write_size
            at = self._window(self.write_window, hidden, size)
            if at is None:
                canvas = canvas + written.reshape(canvas.shape)
            else:
                patch = written.reshape(-1, size, size)
                canvas = canvas + attention.write_patch(patch, at, *self.shape)
        return (canvas, hidden, carry), at

    def _window(self, linear: nnx.Linear | None, hidden: Array, size: int) -> Window | None:
        return None if linear is None else attention.window(linear(hidden), size, *self.shape)


def kl_to_prior(mu: Array, log_sigma: Array) -> Array:
    """KL of a diagonal normal distribution to the standard normal one, in nats.

    ``sum over Z of (mu^2 + sigma^2 - log sigma^2 - 1) / 2``

    Args:
        mu, log_sigma: `[..., Z]`.
    """
    terms = jnp.square(mu) + jnp.exp(2 * log_sigma) - 2 * log_sigma - 1
    return terms.sum(axis=-1) / 2


def reconstruction_nats(log_odds: Array, images: Array) -> Array:
    """-log p(x | z) of images `[..., h, w]` of 0 and 1 under independent pixels, `[...]`."""
    return (jax.nn.softplus(log_odds) - images * log_odds).sum(axis=(-2, -1))


def make_model(config: DrawConfig, mean: np.ndarray) -> DrawNetwork:
    """The network of a config, with fresh parameters; see `DrawNetwork`."""
    return DrawNetwork(config, mean, rngs=nnx.Rngs(config.seed))


def noise_of(indices: Array, config: DrawConfig) -> Array:
    """The noise of images in evaluation, `[T, B, Z]`: it depends on their indices `[B]` alone."""
    key, shape = jax.random.key(HELD_OUT_SEED), (config.num_glimpses, config.latent_size)
    draw = jax.vmap(lambda index: jax.random.normal(jax.random.fold_in(key, index), shape))
    return jnp.moveaxis(draw(indices), 0, 1)


def batch_loss(
    config: DrawConfig, model: DrawNetwork, batch: Batch, key: Array | None
) -> training.Loss:
    """The bound of -log p(x) in nats an image: reconstruction and KL, by one draw of the noise.

    ::

        -log p(x) <= E_q [-log p(x | z)] + sum_t KL(q(z_t | x, z_1 .. z_{t-1}) || p(z_t))
    """
    images, indices = batch["images"].astype(jnp.float32), batch["indices"]
    key_noise, key_dropout = split_key(key, 2)
    if key_noise is None:
        noise = noise_of(indices, config)
    else:
        shape = config.num_glimpses, len(images), config.latent_size
        noise = jax.random.normal(key_noise, shape)
    painting = model.reconstruct(images, noise, key_dropout)
    real = indices >= 0
    parts = {
        "reconstruction": reconstruction_nats(painting.canvases[-1], images),
        "KL": painting.kl.sum(axis=0),
    }
    sums = {name: jnp.where(real, part, 0).sum() for name, part in parts.items()}
    total = sums["reconstruction"] + sums["KL"]
    return training.Loss(total, real.sum(), metrics={**sums})
