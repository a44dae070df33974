"""Captioning from the command line: every mode, on a few scenes and a dozen small photographs."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from experiments import captioning
from rnnjax import training
from rnnjax.tasks.captioning.captioned_images import CaptionVocabulary
from rnnjax.tasks.captioning.scenes import DigitScenes, source
from tests.experiments.conftest import message, of_split

SMALL = [
    "--config.image_size=48", "--config.feature_size=6", "--config.hidden_size=8",
    "--config.embed_size=6", "--config.attention_size=6", "--config.warmup_steps=0",
    "--config.log_every=1", "--config.num_buckets=1",
]  # fmt: skip
SCENES = [*SMALL, "--config.batch_size=4", "--config.num_steps=5", "--config.eval_every=2",
          "--config.dropout=0.2", "--config.decoder=hard", "--config.cell=gru"]  # fmt: skip
NUM_SCENES = 4
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


@pytest.fixture(scope="module", autouse=True)
def _few_scenes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "EVALUATION_SCENES", NUM_SCENES)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The workdir of a short training on scenes, with all its noise; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "scenes"
    captioning.EXPERIMENT.main([f"--workdir={workdir}", *SCENES])
    return workdir


@pytest.fixture
def scenes_run(trained, tmp_path):
    """A copy of that workdir, for one test."""
    return shutil.copytree(trained, tmp_path / "scenes")


def write_photos(folder):
    """A dozen small JPEGs of one colour each, wide and high, with a table of captions."""
    folder.mkdir()
    lines = []
    for n in range(12):
        name = list(COLOURS)[n % 3]
        size = ((40, 30), (24, 36))[n % 2]
        Image.new("RGB", size, COLOURS[name]).save(folder / f"{n:02d}_{name}.jpg", quality=90)
        lines += [f"{n:02d}_{name}.jpg\tA {name} sheet .\n", f"{n:02d}_{name}.jpg\tall {name}\n"]
    (folder / "captions.tsv").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos") / "folder")


@pytest.fixture(scope="module")
def trained_photos(tmp_path_factory, photos):
    """The workdir of a training on photographs until it knows colours; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "photos"
    captioning.EXPERIMENT.main([
        f"--workdir={workdir}", f"--config.data={photos}", "--config.held_out=0.25", *SMALL,
        "--config.image_size=16", "--config.batch_size=12", "--config.num_steps=100",
        "--config.learning_rate=0.03", "--config.hidden_size=24",
        "--config.level=subword", "--config.num_subwords=60",
        "--config.average=none", "--config.feature_size=24", "--config.swap_rate=0",
        "--config.eval_every=100", "--config.log_every=10",
    ])  # fmt: skip
    return workdir


def read(path):
    return json.loads(path.read_text())


def test_training_reports_what_it_reached(trained):
    assert [row["step"] for row in of_split(trained, "valid")][:2] == [2, 4]
    assert set(of_split(trained, "valid")[0]) > {"loss", "bleu4", "exact", "pointing"}
    losses = [row["nats"] for row in of_split(trained, "train")]
    assert losses[0] == pytest.approx(np.log(len(CaptionVocabulary.from_json(
        training.read_meta(trained).extra["vocabulary"]).symbols)), rel=0.2)  # fmt: skip
    page = (trained / "report.html").read_text()
    assert page.index("Scores, validation") < page.index("Scores, test")
    assert page.count("<figure") >= NUM_SCENES
    shown = of_split(trained, "sample")[-1]["text"].splitlines()
    scenes = enumerate(DigitScenes("validation", side=48))
    for line, (n, scene) in zip(shown, scenes, strict=False):
        assert line.startswith(f"validation {n} -> ")
        assert line.endswith(f"(reference: {' '.join(scene.caption)})")
    assert read(trained / "scores_test.json")["split"] == "test"


def test_evaluation_and_inspection_of_scenes(scenes_run, captioning_command):
    after_training = read(scenes_run / "scores_test.json")
    result = captioning_command(f"--workdir={scenes_run}", "--mode=evaluate")
    assert result.code == 0, result.err
    assert result.out.startswith("test, beam of 5:\n")
    scores = read(scenes_run / "scores_test.json")
    assert {name for name, score in scores.items() if score != after_training[name]} <= {"loss"}
    assert scores["loss"] == pytest.approx(after_training["loss"], rel=1e-5)
    written = read(scenes_run / "captions_test.json")
    assert [row["image"] for row in written] == [f"test {n}" for n in range(NUM_SCENES)]
    truth = [" ".join(scene.caption) for scene in DigitScenes("test", side=48)]
    exact = np.mean([row["caption"] == true for row, true in zip(written, truth, strict=True)])
    assert float(re.search(r"exact captions +([\d.]+)", result.out)[1]) == 100 * exact
    result = captioning_command(f"--workdir={scenes_run}", "--mode=inspect", "--split=validation")
    assert result.code == 0, result.err
    assert f"validation: {scenes_run / 'inspect.html'}" in result.out
    assert f"{NUM_SCENES} of {NUM_SCENES} images" in (scenes_run / "inspect.html").read_text()


def test_photographs_are_captioned_by_their_colour(
    trained_photos, photos, tmp_path, captioning_command
):
    loss = [row["loss"] for row in of_split(trained_photos, "train")]
    assert loss[-1] < loss[0] / 3
    output = tmp_path / "out"
    result = captioning_command(
        f"--workdir={trained_photos}", "--mode=predict", f"--input={photos}", f"--output={output}"
    )
    assert result.code == 0, result.err
    rows = read(output / "captions.json")
    names = sorted(path.name for path in photos.glob("*.jpg"))
    assert [row["image"] for row in rows] == [str(photos / name) for name in names]
    right = [name[3:-4] in row["caption"].split() for name, row in zip(names, rows, strict=True)]
    assert sum(right) >= 10
    phrases = {f"a {colour} sheet" for colour in COLOURS} | {f"all {colour}" for colour in COLOURS}
    assert {row["caption"] for row in rows} <= phrases
    pictures = sorted(path.name for path in output.glob("*.png"))
    assert pictures == [f"{n:04d}_{name[:-4]}.png" for n, name in enumerate(names)]
    *_, cropped, written = result.out.splitlines()
    assert cropped == (
        "Of each image the square in its middle was looked at (--config.resize=crop)."
    )
    assert written == f"12 captions: {output}"
    assert result.out.splitlines()[0] == f"{rows[0]['image']}: {rows[0]['caption']}"
    one = captioning_command(
        f"--workdir={trained_photos}", "--mode=predict", f"--input={photos / names[5]}",
        f"--output={tmp_path / 'one'}", "--beam_size=1",
    )  # fmt: skip
    assert one.code == 0, one.err
    assert len(read(tmp_path / "one" / "captions.json")) == 1


def test_a_broken_file_among_the_pictures(trained_photos, photos, tmp_path, captioning_command):
    """The others are captioned; where there are no others it is an error."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.jpg").write_text("This is text.")
    (folder / "c.jpg").write_bytes((photos / "00_red.jpg").read_bytes()[:300])
    argv = [f"--workdir={trained_photos}", "--mode=predict", f"--input={folder}",
            f"--output={tmp_path / 'out'}"]  # fmt: skip
    told = f"{folder / 'a.jpg'} is no image of a kind that is read"
    assert f"all of them are faulty; {told}" in message(captioning_command(*argv))
    assert not (tmp_path / "out").exists()
    shutil.copy(photos / "00_red.jpg", folder / "b.jpg")
    result = captioning_command(*argv)
    assert result.code == 0, result.err
    first, second = [line for line in result.err.splitlines() if "Left out" in line]
    assert first.startswith(f"Left out: {told}")
    assert second.startswith(f"Left out: {folder / 'c.jpg'} is a broken image")
    assert [row["image"] for row in read(tmp_path / "out" / "captions.json")] == [
        str(folder / "b.jpg")
    ]


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--mode=predict"], "mode predict takes --input=IMAGE_OR_FOLDER"),
        (["--mode=predict", "--input=/no/such.jpg"], "/no/such.jpg does not exist"),
        (["--mode=evaluate", "--split=nonsense"], "unknown --split=nonsense; "),
        (["--mode=inspect", "--split=tset"], "unknown --split=tset; did you mean 'test'?"),
        (["--mode=evaluate", "--config.level=word"],
         "was trained with --config.level=subword, not word"),
        (["--mode=evaluate", "--beam_size=0"], "beam_size is 1 .. 1000; got 0"),
        (["--mode=evaluate", "--length_penalty=-1"], "length_penalty is 0 or more; got -1"),
        (["--mode=caption"], "unknown --mode=caption; "),
    ],
)  # fmt: skip
def test_what_a_trained_run_cannot_do(trained_photos, captioning_command, argv, told):
    before = {path: path.read_bytes() for path in trained_photos.rglob("*") if path.is_file()}
    assert told in message(captioning_command(f"--workdir={trained_photos}", *argv))
    after = {path: path.read_bytes() for path in trained_photos.rglob("*") if path.is_file()}
    assert before == after


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--config.decoder=sofd"], "unknown --config.decoder=sofd; did you mean 'soft'?"),
        (["--config.image_size=32"], "digit scenes need a side of at least 48, got 32"),
        (["--preset=photos"], "name a folder of captioned images with --config.data"),
        (["--config.level=subword"], "--config.level=subword is not for digit scenes"),
        (["--config.data=/no/folder"], "/no/folder does not exist"),
        (["--config.data={photos}"], "does not say which image is in which split"),
        (["--config.data={photos}", "--config.held_out=0.7"], "held_out must lie in (0, 0.5)"),
        (["--config.data={photos}", "--config.held_out=0.2", "--config.batch_size=99"],
         "captions are too few for a batch of 99"),
        (["--config.data={photos}", "--config.held_out=0.2", "--config.batch_size=4",
          "--restore_from={trained}"], "was trained with --config.level=subword, not word"),
        (["--restore_from=/no/such/run"], "No checkpoint in /no/such/run"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained(tmp_path, trained_photos, photos, captioning_command, argv, told):
    argv = [flag.format(photos=photos, trained=trained_photos) for flag in argv]
    assert told in message(captioning_command(f"--workdir={tmp_path / 'run'}", *SMALL[1:], *argv))
    assert not list(tmp_path.rglob("step_*"))


def test_a_missing_photograph(photos, tmp_path, captioning_command):
    folder = shutil.copytree(photos, tmp_path / "copy")
    (folder / "00_red.jpg").unlink()
    argv = [f"--workdir={tmp_path / 'run'}", f"--config.data={folder}", "--config.held_out=0.25"]
    told = message(captioning_command(*argv))
    assert re.search(r"captions\.tsv:1: the image \S*00_red\.jpg does not exist", told)


def test_a_run_does_not_go_on_with_other_data(scenes_run, captioning_command, monkeypatch):
    prepare = captioning.prepare

    def prepare_others(*given):
        return prepare(*given)._replace(digest="others")

    monkeypatch.setattr(captioning, "prepare", prepare_others)
    told = message(captioning_command(f"--workdir={scenes_run}", *SCENES, "--config.num_steps=9"))
    assert "the data of embedded are not those that the run in" in told
    assert f"--restore_from={scenes_run} keeps its parameters" in told
