"""A trained network that paints: given images, or new ones from the prior."""

import json
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import training
from rnnjax.data.padded_batches import in_order
from rnnjax.errors import UserError, check_at_least
from rnnjax.tasks.draw.config import DrawConfig
from rnnjax.tasks.draw.draw_network import (
    DrawNetwork,
    Painting,
    make_model,
    noise_of,
    reconstruction_nats,
)
from rnnjax.tasks.draw.preparation import evaluation_batches
from rnnjax.tasks.draw.sources import check_size
from rnnjax.typing import Array, Batch


class Bound(NamedTuple):
    """The parts of the bound of -log p(x) of N images, in nats.

    Attributes:
        reconstruction: -log p(x | z) by the canvas after each step, `[N, T]`; the last counts.
        kl: of each step, `[N, T]`; their sum counts.
    """

    reconstruction: np.ndarray
    kl: np.ndarray

    @property
    def nats(self) -> np.ndarray:
        """The bound of each image, `[N]`."""
        return self.reconstruction[:, -1] + self.kl.sum(axis=1)


class Painter(NamedTuple):
    """A trained network."""

    model: DrawNetwork
    config: DrawConfig

    def reconstruct(self, images: np.ndarray) -> Painting:
        """Paints given images, see `Painting`; the noise is that of evaluation.

        Args:
            images: `[N, h, w]`, 0 or 1.

        Raises:
            UserError: they are no such images, or of another size than those of the training.
        """
        images = self._checked(images)
        batch = {"images": images, "indices": np.arange(len(images), dtype=np.int32)}
        return training.result_of(_reconstruct, self.model, batch, self.config)

    def sample(self, num_samples: int = 1, *, seed: int = 0) -> Painting:
        """Paints new images.

        Args:
            num_samples: N.
            seed: of the first; the next ones have the next seeds.

        Raises:
            UserError: a number is out of range.
        """
        check_at_least(1, num_samples=num_samples)
        if not 0 <= seed < 2**31 - num_samples:
            raise UserError(f"seed is from 0 to {2**31 - num_samples - 1:,}; got {seed}")
        seeds = np.arange(seed, seed + num_samples, dtype=np.int32)
        return training.result_of(_sample, self.model, seeds, self.config)

    def bound(self, images: np.ndarray) -> Bound:
        """The bound of -log p(x), by one draw of the noise for each image.

        Args:
            images: `[N, h, w]`, 0 or 1.

        Raises:
            UserError: see `reconstruct`.
        """
        batches = evaluation_batches(self._checked(images), self.config)
        found = training.results_of(_nats, self.model, batches, self.config)
        parts = np.stack(in_order(found, lengths=None))
        return Bound(parts[:, 0], parts[:, 1])

    def _checked(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        if images.ndim != 3 or not len(images) or not np.isin(images, (0, 1)).all():
            raise UserError(
                f"images have the shape [N, height, width] and hold 0 and 1; got {images.dtype} "
                f"{list(images.shape)}"
            )
        check_size(images, self.model.shape, "the network", ", as in its training")
        return images.astype(np.uint8)


def load(workdir: str | Path, config: DrawConfig | None = None) -> Painter:
    """The trained network of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, DrawConfig, config)
    mean = np.full(json.loads(stored["shape"]), 0.5)
    return Painter(training.restore_model(workdir, make_model, settings, mean), settings)


def _reconstruct(model: DrawNetwork, config: DrawConfig, batch: Batch) -> Painting:
    return model.reconstruct(batch["images"], noise_of(batch["indices"], config))


def _sample(model: DrawNetwork, config: DrawConfig, seeds: Array) -> Painting:
    shape = config.num_glimpses, config.latent_size
    draw = jax.vmap(lambda seed: jax.random.normal(jax.random.key(seed), shape))
    return model.paint(jnp.moveaxis(draw(seeds), 0, 1))


def _nats(model: DrawNetwork, config: DrawConfig, batch: Batch) -> Array:
    """Reconstruction and KL of each step, `[B, 2, T]`."""
    images = batch["images"].astype(jnp.float32)
    painting = model.reconstruct(images, noise_of(batch["indices"], config))
    parts = jnp.stack([reconstruction_nats(painting.canvases, images), painting.kl])
    return jnp.moveaxis(parts, -1, 0)
