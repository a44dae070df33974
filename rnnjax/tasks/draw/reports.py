"""The bound of a split beside a simpler model, and paintings."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjax.tasks.draw import baselines, pictures
from rnnjax.tasks.draw.painter import Painter
from rnnjax.training.reporting.progress import aligned
from rnnjax.visuals import Section
from rnnjax.visuals.page import evenly_spread

SHOWN = 6
"""Given images, and again samples, of a picture."""


def score_split(
    painter: Painter, splits: Mapping[str, np.ndarray], split: str
) -> tuple[dict[str, float], str]:
    """The bound of a split, by name and in words, beside that of a mixture."""
    images, train = splits[split], splits["train"]
    bound = painter.bound(images)
    total = float(bound.nats.mean())
    kl, rest = float(bound.kl.sum(axis=1).mean()), float(bound.reconstruction[:, -1].mean())
    mixture = baselines.mixture_nats(train, images)
    results = {
        f"{split}, nats/image at most": total,
        f"{split}, KL": kl,
        f"{split}, reconstruction": rest,
        f"{split}, nats/image of a mixture": mixture,
    }
    told = (
        f"{split}: at most {total:.2f} nats/image = {rest:.2f} reconstruction + {kl:.2f} KL "
        f"(mixture of {min(baselines.COMPONENTS, len(train))} Bernoullis {mixture:.2f}); "
        f"{len(images):,} images"
    )
    return results, told


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
