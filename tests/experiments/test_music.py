"""Music from the command line: training, resuming, and every mode."""

import mido
import numpy as np
import pytest
import scipy.io

import rnnjax
from experiments.music import EXPERIMENT
from rnnjax import training
from rnnjax.tasks.music import midi
from tests.experiments.conftest import of_split

SMALL = ["--config.hidden_size=12", "--config.batch_size=8", "--config.num_buckets=1",
         "--config.dropout=0", "--config.nade_size=6", "--config.average=none"]  # fmt: skip
CHORD = np.array([48, 55, 64, 72]) - 21


@pytest.fixture(scope="module")
def rolls(tmp_path_factory):
    """Pieces of a chord that goes up two keys and down again, in parallel fifths."""
    path = tmp_path_factory.mktemp("music") / "rolls.mat"
    arrays = {}
    for name, count in {"traindata": 16, "validdata": 4, "testdata": 4}.items():
        arrays[name] = np.empty((1, count), object)
        for n in range(count):
            frames = np.zeros((8, 88), np.uint8)
            for t in range(8):
                frames[t, CHORD + 2 * ((t + n) % 2)] = 1
            arrays[name][0, n] = frames
    scipy.io.savemat(path, arrays)
    return path


@pytest.fixture(scope="module")
def trained(rolls, tmp_path_factory):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "music"
    EXPERIMENT.main([
        f"--workdir={workdir}", f"--config.data={rolls}", *SMALL, "--config.num_steps=300",
        "--config.learning_rate=0.03", "--config.eval_every=150",
    ])  # fmt: skip
    return workdir


def test_training_learns_and_reports(trained):
    assert [row["step"] for row in of_split(trained, "valid")] == [150, 300]
    results = training.read_results(trained)
    # Which of two chords comes first is a matter of chance; what follows it is not.
    assert results["test, nats/frame without first frames"] < 0.1
    assert np.log(2) / 8 < results["test, nats/frame"] < 0.25
    assert results["test, nats/frame of Markov"] > 0.3
    assert results["real, parallel fifths in 100 frames"] == pytest.approx(100 * 7 / 8)
    assert "<h2>Piano rolls (shade" in (trained / "report.html").read_text()


def test_evaluate_prints_the_score_of_the_report(run, trained):
    result = run(trained, "--mode=evaluate")
    expected = training.read_results(trained)["test, nats/frame"]
    assert result.out.startswith(f"test: {expected:.4f} nats/frame (Markov chain ")


def test_generate_writes_midi_that_goes_on_as_the_pieces_do(run, refuses, trained, tmp_path):
    run(trained, "--mode=generate", "--num_frames=9", "--num_samples=2", "--temperature=0.5")
    first = midi.read_midi(str(trained / "generated_1.mid"), 1)
    (tmp_path / "start.mid").write_bytes(midi.midi_bytes(first.frames[1:], 1))
    again = run(
        trained,
        "--mode=generate", f"--input={tmp_path / 'start.mid'}", "--prefix=1", "--num_frames=6",
        "--temperature=0.5", "--parallel_fifths",
    )  # fmt: skip
    assert "\ngenerated_1: 5 parallel fifths, in the frames 1, 2, 3, 4, 5\n" in again.out
    second = midi.read_midi(str(trained / "generated_1.mid"), 1)
    np.testing.assert_array_equal(second.frames, first.frames[1:7])
    assert mido.MidiFile(trained / "generated_1.mid").length == pytest.approx(3)
    assert (trained / "generated.png").read_bytes().startswith(b"\x89PNG")
    own = trained / "generated_1.mid"
    told = f"{own} would be overwritten by what it begins"
    refuses(told, trained, "--mode=generate", f"--input={own}")


def test_a_melody_gets_the_other_voices(run, trained, tmp_path):
    melody = np.eye(88, dtype=bool)[CHORD[-1] + 2 * (np.arange(5) % 2)]
    (tmp_path / "melody.mid").write_bytes(midi.midi_bytes(melody, 1))
    given = f"--melody={tmp_path / 'melody.mid'}"
    run(trained, "--mode=generate", given, "--temperature=0.2")
    found = midi.read_midi(str(trained / "generated_1.mid"), 1).frames
    for t, frame in enumerate(found):
        assert np.flatnonzero(frame).tolist() == (CHORD + 2 * (t % 2)).tolist()


def test_inspect_draws_a_piece_of_a_split_or_a_file(run, trained):
    result = run(trained, "--mode=inspect", "--split=validation", "--parallel_fifths")
    assert "validdata{1}: 7 parallel fifths, in the frames 1, 2, 3, 4, 5, 6, 7" in result.out
    assert (trained / "inspect.png").exists()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--mode=generate", "--input=no.mid"], "no.mid does not exist"),
        (["--mode=generate", "--temperature=-1"], "temperature is 0 or more; got -1"),
    ],
)
def test_a_mistake_gets_one_line(refuses, trained, flags, told):
    refuses(told, trained, *flags)


def test_a_trained_run_is_loaded_by_its_folder(trained, rolls):
    model = rnnjax.load(trained)
    assert model.generate(3, num_samples=2).shape == (2, 3, 88)
    assert model.config.data == str(rolls)
