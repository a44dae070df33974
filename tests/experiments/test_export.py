"""The mode export: programs that run without rnnjax, weights that rnnjax reads back, the card."""

import contextlib
import functools
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file

import rnnjax
from experiments import captioning, char_lm, ner, sentiment, sequential_mnist
from rnnjax import training
from tests.experiments.conftest import command
from tests.experiments.small_tasks import flags_of, write_data

RUNS = Path(__file__).parents[1] / "reference/runs"
STORED = {"char_lm": char_lm, "ner": ner, "captioning": captioning}
TRAINED = {"sentiment": sentiment, "sequential_mnist": sequential_mnist}
# Runs the programs of `ARGUMENT/TASK/export` on the arguments beside them; writes the results.
ALONE = """
import pathlib, sys
sys.modules["rnnjax"] = sys.modules["flax"] = None
import jax, numpy as np
from jax import export
from safetensors.numpy import load_file
for path in sorted(pathlib.Path(sys.argv[1]).glob("*/export/*.jax_export")):
    program = export.deserialize(bytearray(path.read_bytes()))
    weights = load_file(path.parent / "model.safetensors")
    for given in path.parents[1].glob(f"{path.stem}.*.npz"):
        arguments = dict(np.load(given))
        carry = [arguments.pop(name) for name in sorted(arguments) if name.startswith("carry")]
        if carry:
            arguments["carry"] = carry
        results = jax.tree.leaves(program.call(weights, **arguments))
        np.savez(given.with_suffix(".results"), *results)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with trained runs; not to be changed but by exporting them."""
    folder = tmp_path_factory.mktemp("runs")
    for task in STORED:
        shutil.copytree(RUNS / task, folder / task)
    write_data(folder)
    for task, module in TRAINED.items():
        module.EXPERIMENT.main([f"--workdir={folder / task}", *flags_of(task, folder)])
    return folder


@pytest.fixture(scope="module")
def exported(runs):
    """`(task) -> folder` of its export, and what the command printed; data are not read."""

    @functools.cache
    def export(task):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            argv = [f"--workdir={runs / task}", "--mode=export", "--config.data=other"]
            (STORED | TRAINED)[task].EXPERIMENT.main(argv)
        return runs / task / "export", said.getvalue()

    return export


def arguments_of(program, model, rows):
    """Random ones: ids that every vocabulary has, 5 steps, 3 characters a word."""
    draw = np.random.default_rng(rows)
    sizes = {"B": rows, "T": 5, "C": 3}

    def array(dtype, shape):
        shape = [sizes.get(size) or int(size) for size in shape.split(", ")]
        of_ids = dtype == "int32"
        return (draw.integers(0, 2, shape) if of_ids else draw.random(shape)).astype(dtype)

    found = {}
    for name, given in program.arguments.items():
        is_list = isinstance(given, list)
        found[name] = [array(*part) for part in given] if is_list else array(*given)
    if "lengths" in found:
        found["lengths"] = np.array([5, 2, 4][:rows], np.int32)
    return found


def test_programs_run_without_rnnjax(runs, exported, tmp_path):
    """The results of the network itself, of batches of 1 and of 3 rows."""
    expected = {}
    for task in ("char_lm", "ner", "sentiment", "sequential_mnist"):
        folder, said = exported(task)
        model = rnnjax.load(folder).model
        for name, program in model.programs().items():
            assert f"{name}.jax_export" in said
            for rows in (1, 3):
                given = arguments_of(program, model, rows)
                path = runs / task / f"{name}.{rows}.npz"
                flat = {k: v for k, v in given.items() if not isinstance(v, list)}
                flat |= {f"carry{n}": part for n, part in enumerate(given.get("carry", []))}
                np.savez(path, **flat)
                results = jax.tree.leaves(program.function(model, **given))
                expected[path.with_suffix(".results.npz")] = results
    assert len(expected) == 10
    subprocess.run([sys.executable, "-c", ALONE, runs], check=True, timeout=240, cwd=tmp_path)
    for path, results in expected.items():
        with np.load(path) as got:
            for ours, theirs in zip(results, got.values(), strict=True):
                assert np.abs(ours).max() > 0, path
                np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-6, err_msg=str(path))


def test_steps_give_the_scores_of_the_whole_sequence(exported):
    """The carry that a program returns is the one that it takes."""
    model = rnnjax.load(exported("char_lm")[0]).model
    sequence, step = (model.programs()[name].function for name in ("sequence", "step"))
    tokens = np.random.default_rng(0).integers(0, 5, (2, 4)).astype(np.int32)
    logits, after = sequence(model, tokens)
    _, carry = sequence(model, tokens[:, :1])
    for t in range(1, 4):
        scores, carry = step(model, tokens[:, t], carry)
        np.testing.assert_allclose(scores, logits[:, t], rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), carry, after)


def test_weights_are_those_of_the_best_checkpoint(runs, exported):
    folder, _ = exported("char_lm")
    weights = load_file(folder / "model.safetensors")
    best = training.restore_params(runs / "char_lm", which="best")
    assert weights.keys() == {training.tensor_name(name) for name in best}
    for name, array in best.items():
        np.testing.assert_array_equal(weights[training.tensor_name(name)], array)
    summary = rnnjax.load(folder).model.summary()
    assert all(f"\n{name} " in summary for name in weights)


def test_an_export_serves_as_a_workdir_and_as_a_source(runs, exported, capsys, tmp_path):
    folder, _ = exported("ner")
    command_line = ["--mode=predict", "--text=Ada left Lund."]
    texts = [command(capsys, ner, f"--workdir={f}", *command_line) for f in (runs / "ner", folder)]
    assert texts[0].out == texts[1].out != ""
    refused = command(capsys, ner, f"--workdir={folder}")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"--restore_from={folder} starts from its parameters" in refused.err
    old = rnnjax.load(exported("char_lm")[0]).model
    flags = ["--preset=hello", "--config.num_steps=1", "--config.learning_rate=1e-30"]
    config = json.loads((runs / "char_lm/config.json").read_text())
    flags += [f"--config.{name}={config[name]}" for name in ("hidden_size", "embed_size", "cell")]
    source = f"--restore_from={runs / 'char_lm/export'}"
    trained = command(capsys, char_lm, f"--workdir={tmp_path / 'on'}", source, *flags)
    assert trained.code == 0, trained.err
    states = [nnx.state(m, nnx.Param) for m in (old, rnnjax.load(tmp_path / "on").model)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-20), *states)


def test_the_card_says_what_was_trained_on_what_and_how_well(runs, exported):
    folder, _ = exported("sentiment")
    card = (folder / "README.md").read_text()
    results = json.loads((runs / "sentiment/results.json").read_text())
    assert "trained by the experiment `sentiment`" in card
    for name, value in results.items():
        assert f"| {name} | {value} |" in card
    stored = training.read_meta(runs / "sentiment").extra
    assert f"`--config.data={runs / 'stars.tsv'}`" in card
    assert f"`{stored['corpus']}`" in card
    assert '"hidden_size": 8' in card
    assert "program.call(weights, inputs=inputs, lengths=lengths)" in card
    assert json.loads((folder / "vocabulary.json").read_text()) == json.loads(stored["vocabulary"])
    card, said = (exported("captioning")[0] / "README.md").read_text(), exported("captioning")[1]
    assert "This task has no program that runs without rnnjax.\n" in said
    assert "This task has no program that runs without rnnjax." in card
    assert "there are no scores" in card


def test_an_export_that_is_exported_again_keeps_its_card(exported, tmp_path, capsys):
    folder = shutil.copytree(exported("sentiment")[0], tmp_path / "mine")
    assert command(capsys, sentiment, f"--workdir={folder}", "--mode=export").code == 0
    assert (folder / "export/README.md").read_text() == (folder / "README.md").read_text()


def test_an_export_that_fails_leaves_nothing(exported, tmp_path, monkeypatch):
    folder = shutil.copytree(exported("char_lm")[0].parent, tmp_path / "run")
    before = sorted(folder.rglob("*"))

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training.atomic_files, "seal", full_disk)
    with pytest.raises(rnnjax.UserError, match=r"Cannot write .*export: No space left on device"):
        training.write_export(folder, folder / "export", {})
    assert sorted(folder.rglob("*")) == before


def test_a_damaged_export_is_told(exported, tmp_path):
    folder = shutil.copytree(exported("captioning")[0], tmp_path / "copy")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(rnnjax.UserError, match=r"copy is damaged: file model\.safetensors was"):
        rnnjax.load(folder)
