"""The bound of a split beside a simpler model, and paintings."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import logsumexp

from rnnjax.tasks.draw import pictures
from rnnjax.tasks.draw.painter import Painter
from rnnjax.training.reporting.progress import aligned
from rnnjax.visuals import Section
from rnnjax.visuals.page import evenly_spread

SHOWN = 6
"""Given images, and again samples, of a picture."""

COMPONENTS = 50
ROUNDS = 30
"""Of the mixture that is the baseline."""


def score_split(
    painter: Painter, splits: Mapping[str, np.ndarray], split: str
) -> tuple[dict[str, float], str]:
    """The bound of a split, by name and in words, beside that of a mixture."""
    images, train = splits[split], splits["train"]
    bound = painter.bound(images)
    total = float(bound.nats.mean())
    kl, rest = float(bound.kl.sum(axis=1).mean()), float(bound.reconstruction[:, -1].mean())
    mixture = mixture_nats(train, images)
    results = {
        f"{split}, nats/image at most": total,
        f"{split}, KL": kl,
        f"{split}, reconstruction": rest,
        f"{split}, nats/image of a mixture": mixture,
    }
    told = (
        f"{split}: at most {total:.2f} nats/image = {rest:.2f} reconstruction + {kl:.2f} KL "
        f"(mixture of {min(COMPONENTS, len(train))} Bernoullis {mixture:.2f}); "
        f"{len(images):,} images"
    )
    return results, told


def mixture_nats(train: np.ndarray, images: np.ndarray, components: int = COMPONENTS) -> float:
    """The mean of -log p(x) under a mixture of Bernoulli distributions, trained by EM, seed 0.

    ::

        p(x) = sum over k of w_k prod over pixels of Bernoulli(x_i; p_ki)

    Args:
        train: `[N, h, w]`, 0 or 1.
        images: that are scored, of the same form.
        components: K, at most N.

    References:
        Bishop 2006, "Pattern recognition and machine learning", section 9.3.3.
    """
    x = train.reshape(len(train), -1).astype(np.float32)
    components = min(components, len(x))
    rng = np.random.default_rng(0)
    p = 0.25 + 0.5 * x[rng.choice(len(x), components, replace=False)]
    log_weights = np.full(components, -np.log(components))
    for _ in range(ROUNDS):
        joint = _log_joint(x, p, log_weights)
        share = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        size = share.sum(axis=0)
        p = ((share.T @ x + 1) / (size[:, None] + 2)).astype(np.float32)
        log_weights = np.log((size + 1) / (len(x) + components))
    held_out = images.reshape(len(images), -1).astype(np.float32)
    return float(-logsumexp(_log_joint(held_out, p, log_weights), axis=1).mean())


def _log_joint(x: np.ndarray, p: np.ndarray, log_weights: np.ndarray) -> np.ndarray:
    return x @ np.log(p / (1 - p)).T + np.log1p(-p).sum(axis=1) + log_weights


def by_step(painter: Painter, images: np.ndarray) -> str:
    """A table of what each step adds to the KL and takes from the reconstruction."""
    bound = painter.bound(images)
    kl, rest = bound.kl.mean(axis=0), bound.reconstruction.mean(axis=0)
    rows: list[tuple[str, ...]] = [("step", "KL", "KL so far", "reconstruction", "sum")]
    for t, so_far in enumerate(np.cumsum(kl)):
        values = (kl[t], so_far, rest[t], so_far + rest[t])
        rows.append((str(t + 1), *(f"{value:.2f}" for value in values)))
    return aligned(rows, numbers=range(len(rows[0])))


def draw_images(painter: Painter, images: np.ndarray, num_samples: int = 0) -> bytes:
    """Draws the paintings of given images, and of samples, seeds 0 and up, as a PNG file."""
    rows: dict[str, Any] = {"given": (painter.reconstruct(images), images)}
    if num_samples:
        rows["sample"] = (painter.sample(num_samples), None)
    return pictures.draw_paintings(rows, painter.config)


def paintings(painter: Painter, images: np.ndarray) -> tuple[list[Section], dict[str, bytes]]:
    """Sections of the report about some of the images and samples, and the animated files."""
    chosen = np.stack(evenly_spread([*images], SHOWN))
    given, drawn = painter.reconstruct(chosen), painter.sample(SHOWN)
    files = {}
    for name, painting, beside in (("reconstructed", given, chosen), ("samples", drawn, None)):
        shown = [
            pictures.frames(painting, painter.config, n, None if beside is None else beside[n], 84)
            for n in range(painting.canvases.shape[1])
        ]
        files[f"{name}.gif"] = pictures.animation(
            [pictures.tiles(page, 3) for page in zip(*shown, strict=True)], "gif"
        )
    html = "\n".join(
        f'<p class="soft">{name}</p><img alt="{name}" src="data:image/gif;base64,'
        f'{base64.b64encode(data).decode()}">'
        for name, data in files.items()
    )
    sheet = draw_images(painter, chosen, SHOWN)
    legend = pictures.legend(painter.config)
    table = by_step(painter, images)
    return [
        Section(f"Canvases, and samples from the prior ({legend})", png=sheet),
        Section("Animations", html=html),
        Section("KL and reconstruction by step, nats/image", table=table),
    ], files
