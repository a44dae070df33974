"""DRAW: a recurrent variational autoencoder that paints an image on a canvas, step by step.

    python -m experiments.draw                          scikit-learn's digits, 8 x 8 pixels
    python -m experiments.draw --config.read_size=0 --config.write_size=0 --workdir=runs/whole
                                                        the same without attention
    python -m experiments.draw --preset=mnist_cpu --config.data=mnist.npz --workdir=runs/mnist

Then, with the --workdir of the training:

    --mode=sample --num_samples=3                       new images: an animation of each
    --mode=predict --input=digit.png                    how an image is painted: an animation
    --mode=evaluate --split=test                        nats/image, beside a mixture
    --mode=inspect --num_images=8                       canvases, and KL and reconstruction by step
"""

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from experiments.experiment import Experiment, Measures, ModeOptions, Preset, Run, Trained
from rnnjax import training
from rnnjax.tasks.draw import pictures, preparation, reports
from rnnjax.tasks.draw.config import DrawConfig as Config
from rnnjax.tasks.draw.draw_network import batch_loss, make_model
from rnnjax.tasks.draw.sources import binarised, read_files
from rnnjax.training import atomic_files, setting
from rnnjax.training.config import Positive


@dataclass(frozen=True, kw_only=True)
class Options(ModeOptions):
    """The flags of the single modes."""

    input: tuple[str, ...] = setting((), "an image; may be given several times.", modes="predict")
    num_images: Positive = setting(
        8, "how many images, from the first of the split.", modes="inspect"
    )
    num_samples: Positive = setting(1, "how many images.", modes="sample")
    seed: int = setting(100, "of the first image; the report has lower ones.", modes="sample")
    format: str = setting("gif", f"Of animations, one of {', '.join(pictures.FORMATS)}.")
    output: str | None = setting(
        None, "folder of the animations; default: the workdir.", modes="predict sample"
    )


DEFAULT = Config(batch_size=64, num_steps=2000, learning_rate=1e-2, clip_norm=10.0)
MNIST = replace(
    DEFAULT, data="mnist.npz", binarise="stochastic", hidden_size=256, num_glimpses=64,
    latent_size=100, read_size=2, batch_size=100, num_steps=100_000, learning_rate=1e-3,
    clip_norm=5.0, eval_every=1000,
)  # fmt: skip
MNIST_CPU = replace(MNIST, num_glimpses=16, latent_size=20, read_size=5, learning_rate=2e-3)
PRESETS = {
    "default": Preset("An LSTM with attention for digits of 8 x 8 pixels.", DEFAULT),
    "mnist": Preset("Binarised MNIST as in the paper, 64 steps: for a GPU.", MNIST),
    "mnist_cpu": Preset("Binarised MNIST in 16 steps, on CPUs.", MNIST_CPU.of_length(12_000)),
}


def report(trained: Trained) -> tuple[dict[str, float], list[training.Section]]:
    """The bounds of the held-out splits; canvases, samples and animations."""
    model, splits = trained.run.trained_model(), trained.prepared.splits
    results: dict[str, float] = {}
    for split in ("test", "validation"):
        if split in splits:
            scores, told = reports.score_split(model, splits, split)
            results |= scores
            training.tell(told)
    shown = splits.get("test", splits["validation"])
    sections, files = reports.paintings(model, shown)
    training.tell(f"Animations: {training.write_results(trained.run.workdir, files)}")
    return results, sections


def predict(run: Run) -> None:
    """Writes an animation of the painting of each image."""
    paths = run.needed("input", "IMAGE (repeatedly)")
    model = run.trained_model()
    height, width = model.model.shape
    grey = read_files(paths, height if height == width else None, ", ".join(paths))
    images = binarised(grey, run.config.binarise, np.random.default_rng(0))
    painting, bound = model.reconstruct(images), model.bound(images)
    for n, nats in enumerate(bound.nats):
        rest, kl = bound.reconstruction[n, -1], bound.kl[n].sum()
        shown = pictures.frames(painting, run.config, n, images[n])
        path = _write(run, f"painting_{n + 1}", shown)
        print(f"{path}: at most {nats:.2f} nats = {rest:.2f} reconstruction + {kl:.2f} KL")


def sample(run: Run) -> None:
    """Writes an animation of each new image."""
    options, model = run.options, run.trained_model()
    painting = model.sample(options.num_samples, seed=options.seed)
    for n in range(options.num_samples):
        shown = pictures.frames(painting, run.config, n)
        print(f"seed {options.seed + n}: {_write(run, f'sample_{options.seed + n}', shown)}")


def inspect(run: Run) -> None:
    """Draws inspect.png: canvases of images; prints KL and reconstruction by step."""
    splits = preparation.binary_splits(run.config)
    images, model = run.chosen_split(splits), run.trained_model()
    print(reports.by_step(model, images))
    png = reports.draw_images(model, images[: run.options.num_images])
    path = training.write_results(run.workdir, {"inspect.png": png})
    print(f"Canvases ({pictures.legend(model.config)}): {path}")


def _write(run: Run, name: str, shown: list[np.ndarray]) -> Path:
    kind = training.chosen("format", run.options.format, pictures.FORMATS)
    folder = Path(run.options.output or run.workdir)
    with atomic_files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    atomic_files.write_bytes(folder / f"{name}.{kind}", pictures.animation(shown, kind))
    return folder / f"{name}.{kind}"


EXPERIMENT = Experiment(
    name="draw",
    summary="paints images step by step, as a VAE; scikit-learn's digits; 3 min; 18.35 nats",
    title="DRAW",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    prepare=lambda run: preparation.prepare(run.config),
    model=lambda config, prepared: make_model(config, prepared.mean),
    loss=lambda config, prepared: partial(batch_loss, config),
    stored=lambda prepared, model: {"shape": json.dumps(model.shape)},
    shapes=preparation.shapes,
    measures=lambda config: Measures("image"),
    splits=lambda run, model: preparation.binary_splits(run.config),
    report_scores=lambda model, splits, split, _: (
        reports.score_split(model, splits, split)[1],
        [],
    ),
    report=report,
    modes={"predict": predict, "sample": sample, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
