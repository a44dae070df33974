"""Every task with every cell: training, resuming bit for bit, and use of what was trained."""

import dataclasses
import functools
import importlib
import itertools
import math
import os
import shutil
import types

import jax
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import training
from rnnjax.cells.named import CELLS
from rnnjax.tasks.captioning.scenes import source
from rnnjax.tasks.draw import reports
from tests.experiments.conftest import assert_told, command
from tests.experiments.small_tasks import TASKS, flags_of, only_training, write_data

QUICK = itertools.cycle(["char_lm", "long_range", "series", "word_lm", "sentiment", "music"])
TRIED = [*zip(itertools.chain(TASKS, QUICK), reversed(CELLS), strict=False)]
"""All pairs take minutes: the suite tries one for each cell, each task among them."""
if os.environ.get("RNNJAX_ALL_PRESETS"):
    TRIED = [*itertools.product(TASKS, CELLS)]


def experiment_of(task):
    return importlib.import_module(f"experiments.{task}")


@pytest.mark.parametrize(
    ("task", "preset", "asked", "follows"),
    [
        ("word_lm", "default", {"hidden_size": 64}, {"embed_size": 64}),
        ("word_lm", "default", {"embed_size": 64}, {"hidden_size": 64}),
        ("word_lm", "default", {"embed_size": 64, "num_layers": 2}, {"hidden_size": 256}),
        ("word_lm", "default", {"hidden_size": 64, "tied": False}, {"embed_size": 256}),
        ("char_lm", "default", {"bptt": 8}, {"window": 8}),
        ("char_lm", "default", {"bptt": 100}, {"window": 64}),
    ],
)
def test_what_is_not_asked_for_makes_room(task, preset, asked, follows, tmp_path):
    flags = [f"--config.{name}={value}" for name, value in asked.items()]
    argv = [f"--workdir={tmp_path}", f"--preset={preset}", *flags]
    config = dataclasses.asdict(experiment_of(task).EXPERIMENT.parse(argv).config)
    assert config.items() >= (asked | follows).items()


@pytest.mark.parametrize("task", ["char_lm", "draw", "music", "naming", "word_lm"])
def test_samples_are_not_those_of_the_report_unless_asked_for(task):
    """The reports take seed 0, and that of `draw` takes those that follow, one for each image."""
    assert experiment_of(task).EXPERIMENT.options.seed >= (reports.SHOWN if task == "draw" else 1)


@pytest.mark.parametrize("task", sorted(TASKS.keys() - {"long_range"}))
def test_data_that_are_not_there_are_named_and_leave_no_folder(task, tmp_path, capsys):
    flags = [f"--workdir={tmp_path / 'run'}", f"--config.data={tmp_path / 'none.tsv'}"]
    result = command(capsys, experiment_of(task), *flags)
    assert_told(result, f"{tmp_path / 'none.tsv'} does not exist")
    assert not (tmp_path / "run").exists()


@pytest.fixture(autouse=True)
def _few_scenes(monkeypatch):
    monkeypatch.setattr(source, "EVALUATION_SCENES", 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(("task", "cell"), [*zip(TASKS, list(CELLS) * 2, strict=False)])
def test_a_run_that_was_lost_after_its_third_update_ends_with_the_same_bits(
    task, cell, folder, tmp_path, capsys
):
    """With dropout, bfloat16 and averaged parameters; only its checkpoint and its log are left."""

    drawn = {"decoder": "hard"} if task == "captioning" else {}  # the noise of REINFORCE too

    def train(name):
        flags = flags_of(
            task, folder, cell=cell, dropout=0.3, compute_dtype="bfloat16", num_steps=5,
            checkpoint_every=3, **drawn,
        )  # fmt: skip
        module = types.SimpleNamespace(EXPERIMENT=only_training(experiment_of(task).EXPERIMENT))
        return command(capsys, module, f"--workdir={tmp_path / name}", *flags)

    whole = train("whole")
    assert whole.code == 0, whole.err
    for kept in ("checkpoints/step_00000003", "config.json", "experiment.json", "metrics.jsonl"):
        copy = shutil.copytree if kept.startswith("checkpoints") else shutil.copy
        (tmp_path / "stopped").mkdir(exist_ok=True)
        copy(tmp_path / "whole" / kept, tmp_path / "stopped" / kept)
    resumed = train("stopped")
    assert resumed.code == 0, resumed.err
    assert f"Resuming {tmp_path / 'stopped'} from step 3." in resumed.err
    for averaged in (True, False):
        expected, got = (
            training.restore_params(tmp_path / name, which="latest", averaged=averaged)
            for name in ("whole", "stopped")
        )
        assert expected.keys() == got.keys()
        for name, array in expected.items():
            assert np.asarray(array).tobytes() == np.asarray(got[name]).tobytes(), name
    used = command(
        capsys, experiment_of(task), f"--workdir={tmp_path / 'stopped'}", *TASKS[task].use
    )
    assert used.code == 0, used.err
    assert used.out.strip()
    run = tmp_path / "stopped"
    exported = command(capsys, experiment_of(task), f"--workdir={run}", "--mode=export")
    assert exported.code == 0, exported.err
    params = [nnx.state(rnnjax.load(f).model, nnx.Param) for f in (run, run / "export")]
    jax.tree.map(np.testing.assert_array_equal, *params)


@pytest.fixture(scope="module")
def prepared(folder):
    """`(task) -> data`, prepared once for all cells."""

    @functools.cache
    def prepare(task):
        experiment = experiment_of(task).EXPERIMENT
        return experiment.prepare(experiment.parse(flags_of(task, folder)))

    return prepare


@pytest.mark.parametrize("task", TASKS)
def test_the_dry_run_divides_a_batch_as_the_training_does(task, folder, prepared):
    experiment, batches = experiment_of(task).EXPERIMENT, prepared(task).batches
    config = experiment.parse(flags_of(task, folder)).config
    assumed = experiment.abstract_task(config)
    assert set(assumed.time_major) == set(batches.time_major)
    assert assumed.batch.keys() == batches[0].keys()
    for name, array in assumed.batch.items():
        assert array.shape[name in assumed.time_major] == config.batch_size, name
    if task in ("dna", "naming", "summarisation", "translation"):  # which count symbols
        epoch = (batches[n] for n in range(batches.batches_per_epoch))
        largest = max(epoch, key=lambda batch: sum(array.size for array in batch.values()))
        assert assumed.units == largest["lengths"].sum() > config.batch_size


ENDS = {"source": "source_lengths", "symbols": "source_lengths", "question": "question_lengths"}
"""The lengths of arrays of a batch that do not end at `lengths`."""
OF_ONE_LENGTH = ("draw", "long_range", "sequential_mnist", "series")


def shortened(batch):
    """The batch, its first row a step shorter: so each has padding."""
    batch = {name: np.array(array) for name, array in batch.items()}
    for name, array in batch.items():
        if name.endswith("lengths"):
            array[0] = max(array[0] - 1, 1)
        elif name == "mask":
            array[-1, 0] = False
    return batch


def spoilt(batch, number):
    """The batch with what is no id, no number and no truth behind the end of its rows."""
    batch, ends = dict(batch), dict(ENDS)
    if "num_symbols" in batch:
        ends["symbols"] = "num_symbols"
    for name, array in batch.items():
        if "mask" in batch:
            real = batch["mask"] if name in ("inputs", "targets") else None
        elif array.ndim > 1 and name not in ("before", "image", "facts", "answer"):
            real = np.arange(len(array))[:, None] < batch[ends.get(name, "lengths")]
        else:
            real = None
        if real is not None and real.shape == array.shape[:2]:
            value = {"f": np.nan, "b": True, "i": number}[array.dtype.kind]
            limits = np.iinfo(array.dtype) if array.dtype.kind == "i" else None
            array = array.copy()
            array[~real] = value if limits is None else np.clip(value, limits.min, limits.max)
            batch[name] = array
    return batch


@pytest.mark.parametrize(("task", "cell"), TRIED)
def test_every_cell_learns_in_every_task(task, cell, folder, prepared):
    """Two updates on one batch lower its loss, without noise; the trained network is scored."""
    data = prepared(task)
    experiment = experiment_of(task).EXPERIMENT
    names = [field.name for field in dataclasses.fields(experiment.presets["default"].config)]
    noise = [name for name in names if name.endswith(("dropout", "weight_drop", "swap_rate"))]
    flags = flags_of(task, folder, cell=cell, schedule="constant", learning_rate=3e-3,
                     **dict.fromkeys(noise, 0))  # fmt: skip
    config = experiment.parse(flags).config
    model = experiment.model(config, data)
    graph, params = nnx.split(model, nnx.Param)
    loss_fn, carry = experiment.loss_fn(config, graph, data), experiment.carry(config, model)
    step, new_state = training.make_training(config, loss_fn)
    state, batch, losses = new_state(params, carry), data.batches[0], []
    for _ in range(3):
        # The key comes from the step: latent variables of a task have the same noise each time.
        state = state._replace(carry=jax.tree.map(np.asarray, carry), step=np.zeros((), np.int32))
        state, metrics = step(state, batch)
        losses.append(float(np.divide(*metrics["sums"]["loss"])))
    assert losses[2] < losses[0], losses
    if task not in OF_ONE_LENGTH:  # What is behind the end of a row has no influence.
        short = shortened(batch)
        expected, *others = (
            step(jax.tree.map(np.array, state), some)
            for some in (short, spoilt(short, -1), spoilt(short, 10**9))
        )
        for after, told in others:  # The last input of a window is in the carry of a text.
            assert_same = np.testing.assert_array_equal
            jax.tree.map(assert_same, (after.params, told), (expected[0].params, expected[1]))
    if experiment.scores is not None:
        trained = nnx.merge(graph, training.evaluation_params(state))
        scores = experiment.scores(config, data, trained)
        assert all(math.isfinite(score) for score in scores.values()), scores
