"""DRAW from the command line: training, reconstruction, samples."""

import re

import numpy as np
import pytest
from PIL import Image, ImageSequence

import rnnjax
from experiments.draw import EXPERIMENT
from rnnjax import training
from rnnjax.errors import UserError
from tests.experiments.conftest import of_split

SMALL = ["--config.num_glimpses=3", "--config.hidden_size=16", "--config.latent_size=2",
         "--config.read_size=2", "--config.write_size=5", "--config.batch_size=16",
         "--config.average=none", "--config.num_steps=200", "--config.eval_every=100",
         "--config.learning_rate=0.02"]  # fmt: skip


def frames_of(path):
    """The frames of an animation, grey, `[T, h, w]`."""
    with Image.open(path) as image:
        return np.stack([np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(image)])


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    """Images of 5 x 5 pixels: the left or the right half is white."""
    images = np.zeros((80, 5, 5), np.uint8)
    images[::2, :, :2], images[1::2, :, 3:] = 255, 255
    path = tmp_path_factory.mktemp("draw") / "bars.npz"
    np.savez(path, x_train=images[:64], x_test=images[64:])
    return path


@pytest.fixture(scope="module")
def trained(bars, tmp_path_factory):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "draw"
    EXPERIMENT.main([f"--workdir={workdir}", f"--config.data={bars}", *SMALL])
    return workdir


def test_training_learns_and_reports(trained):
    rows = of_split(trained, "valid")
    assert [row["step"] for row in rows] == [100, 200]
    results = training.read_results(trained)
    # Which half is white is one bit; a model without latent variables pays it for every pixel.
    assert np.log(2) <= results["test, nats/image at most"] < 3
    assert results["test, KL"] > 0.5
    assert results["test, nats/image of a mixture"] >= np.log(2)
    page = (trained / "report.html").read_text()
    assert 'src="data:image/gif;base64,' in page
    for name in ("reconstructed.gif", "samples.gif"):
        assert len(frames_of(trained / name)) == 3


def test_evaluate_prints_the_bound_of_the_report(run, trained):
    result = run(trained, "--mode=evaluate", "--split=validation")
    results = training.read_results(trained)
    expected = results["validation, nats/image at most"]
    assert result.out.startswith(f"validation: at most {expected:.2f} nats/image = ")
    best = min(row["loss"] for row in of_split(trained, "valid"))
    assert best == pytest.approx(expected, rel=1e-5)


def test_predict_animates_the_painting_of_each_image(run, trained, tmp_path):
    for name, side, white in (("left", 10, slice(4)), ("right", 5, slice(3, None))):
        grey = np.zeros((side, side), np.uint8)
        grey[:, white] = 255
        Image.fromarray(grey).save(tmp_path / f"{name}.png")
    inputs = [f"--input={tmp_path / name}" for name in ("left.png", "right.png")]
    inputs += [f"--input={tmp_path / 'notes.txt'}"]
    result = run(trained, "--mode=predict", *inputs, f"--output={tmp_path / 'new'}")
    assert f"1 file left out, no images: {tmp_path / 'notes.txt'}\n" in result.err
    for n, line in enumerate(result.out.splitlines(), 1):
        path = tmp_path / f"new/painting_{n}.gif"
        numbers = re.fullmatch(
            rf"{path}: at most ([\d.]+) nats = ([\d.]+) reconstruction \+ ([\d.]+) KL", line
        ).groups()
        total, rest, kl = map(float, numbers)
        assert total == pytest.approx(rest + kl, abs=0.011)
        page = frames_of(path)[2].astype(int)
        given, canvas = page[:, :160], page[:, -160:]
        white, black = (slice(0, 64), slice(96, None))[:: 1 if n == 1 else -1]
        for part in (given, canvas):
            assert part[:, white].mean() > 150 > 100 > part[:, black].mean()


def test_a_sample_depends_on_its_seed_alone(run, trained):
    result = run(trained, "--mode=sample", "--num_samples=2", "--seed=4", "--format=webp")
    assert result.out.splitlines()[1] == f"seed 5: {trained / 'sample_5.webp'}"
    assert len(frames_of(trained / "sample_5.webp")) == 3
    model = rnnjax.load(trained)
    both, one = (model.sample(n, seed=seed).canvases for n, seed in ((2, 4), (1, 5)))
    np.testing.assert_allclose(both[:, 1], one[:, 0], rtol=1e-5, atol=1e-5)
    drawn = model.sample(40).canvases[-1] > 0
    halves = drawn[:, :, :2].mean(axis=(1, 2)), drawn[:, :, 3:].mean(axis=(1, 2))
    sure = np.abs(halves[0] - halves[1]) > 0.9
    assert sure.mean() > 0.7
    assert 0.1 < halves[0][sure].mean() < 0.9


def test_inspect_tells_kl_and_reconstruction_by_step(run, trained):
    result = run(trained, "--mode=inspect", "--num_images=2")
    *_, last, told = result.out.splitlines()
    bound = training.read_results(trained)["test, nats/image at most"]
    assert last.split()[0] == "3"
    assert float(last.split()[-1]) == pytest.approx(bound, abs=0.006)
    assert told.endswith(str(trained / "inspect.png"))
    assert (trained / "inspect.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--mode=predict"], "mode predict takes --input=IMAGE"),
        (["--mode=predict", "--input=no.png"], "no.png does not exist"),
        (["--mode=predict", "--input=a.txt", "--input={folder}"], "a.txt, {folder} has no image"),
        (["--mode=sample", "--format=png"], "unknown --format=png; Valid: gif, webp"),
        (["--mode=sample", "--output={folder}/file"], "Cannot write {folder}/file: File exists"),
        (["--mode=sample", "--output={folder}"], "Cannot write {folder}/sample_100.gif: Is a dir"),
        (["--mode=sample", "--seed=-1"], "seed is from 0 to"),
        (["--preset=mnist", "--workdir={folder}/new"], "mnist.npz does not exist"),
    ],
)
def test_a_mistake_gets_one_line(refuses, trained, flags, told, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "sample_100.gif").mkdir()
    monkeypatch.chdir(tmp_path)
    told = told.format(folder=tmp_path)
    refuses(told, trained, *[flag.format(folder=tmp_path) for flag in flags])


def test_images_that_do_not_fit_the_network_are_refused(trained):
    model = rnnjax.load(trained)
    with pytest.raises(UserError, match="images of 4 x 5 pixels: expected 5 x 5, as in its train"):
        model.reconstruct(np.zeros((1, 4, 5)))
    with pytest.raises(UserError, match=r"hold 0 and 1; got float64 \[1, 5, 5\]"):
        model.bound(np.full((1, 5, 5), 0.5))
