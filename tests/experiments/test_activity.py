"""Activity from the command line: learning a motion, evaluation, prediction, inspection."""

import re

import numpy as np
import pytest

import rnnjax
from experiments.activity import EXPERIMENT


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A file of dots that go to the left or to the right from anywhere on a ring."""
    rng = np.random.default_rng(0)
    frames, labels = np.zeros((120, 6, 4, 8), np.float32), []
    for n, video in enumerate(frames):
        place, row = rng.integers(8), rng.integers(4)
        for t, image in enumerate(video):
            image[row, (place + (t if n % 2 else -t)) % 8] = 1
        labels.append(("left", "right")[n % 2])
    path = tmp_path_factory.mktemp("data") / "dots.npz"
    np.savez(path, frames=frames, labels=labels, lengths=rng.integers(4, 7, 120))
    return path


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, videos):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "dots"
    EXPERIMENT.main([f"--workdir={workdir}", f"--config.data={videos}", "--config.num_steps=150",
                     "--config.eval_every=150", "--config.hidden_size=12", "--config.num_buckets=1",
                     "--config.learning_rate=0.01", "--config.dropout=0"])  # fmt: skip
    return workdir


def test_the_network_learns_what_no_single_frame_shows(run, workdir):
    told = run(workdir, "--mode=evaluate").out
    found = re.match(r"test: ([\d.]+) % of 18 videos right, .* the mean frame: ([\d.]+) %", told)
    assert float(found[1]) >= 90
    assert float(found[2]) <= 75
    rows = [line.split() for line in told.splitlines()[2:12]]
    assert [row[0] for row in rows] == [str(p) for p in range(10, 101, 10)]
    assert float(rows[-1][1]) == float(found[1])
    assert float(rows[0][1]) <= 75  # of one frame
    assert (workdir / "early_recognition_test.png").read_bytes().startswith(b"\x89PNG")


def test_files_without_labels_are_predicted_as_the_class_does(run, workdir, videos, tmp_path):
    frames = np.load(videos)["frames"][:4]
    np.savez(tmp_path / "new.npz", frames=frames)
    model = rnnjax.load(workdir)
    told = run(workdir, "--mode=predict", f"--input={tmp_path / 'new.npz'}").out
    for line, row in zip(told.splitlines(), model.classify(list(frames)), strict=True):
        name = model.videos.classes[row.argmax()]
        assert f": {name} ({row.max():.1%}); at half of the frames" in line


def test_one_video_is_inspected_over_time(run, refuses, workdir):
    told = run(workdir, "--mode=inspect", "--index=3").out
    assert told.splitlines()[-1] == f"Prediction over time: {workdir / 'over_time.png'}"
    refuses("--index is from 0 to 17; got 18", workdir, "--mode=inspect", "--index=18")


def test_without_a_validation_split_an_evaluation_is_called_one_of_the_training(run, tmp_path):
    numbers = np.random.default_rng(0).random((8, 5 * 20, 4))
    (tmp_path / "joints").mkdir()
    for n, joints in enumerate(numbers):
        name = f"a0{1 + n % 2}_s0{1 + n // 2 % 2}_e0{1 + n // 4}_skeleton.txt"
        np.savetxt(tmp_path / "joints" / name, joints)
    flags = [
        "--preset=msr_action3d",
        f"--config.data={tmp_path / 'joints'}",
        "--config.num_steps=2",
    ]
    result = run(tmp_path / "run", *flags, "--config.hidden_size=4", "--config.num_buckets=1")
    assert re.search(r"^step 2: training split loss \d", result.err, re.M)
