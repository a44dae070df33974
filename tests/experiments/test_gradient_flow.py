"""The page of gradients, for fresh cells and for trained runs."""

import re

import jax
import numpy as np
import pytest

import rnnjax
from experiments import char_lm
from experiments.gradient_flow import __main__ as gradient_flow
from experiments.gradient_flow import page, sources
from rnnjax import training
from tests.experiments.small_tasks import only_training

SMALL = ["--hidden_size=4", "--length=16"]


def run(capsys, *argv):
    capsys.readouterr()
    code = 0
    try:
        gradient_flow.main([*map(str, argv)])
    except SystemExit as stop:
        code = stop.code
    return code, *capsys.readouterr()


def rows_of(text):
    """Cell and variant: gradient far / near, largest singular value, gradient, clipping factor."""
    pattern = r"^  (.*?)  +(scale \S+|trained|as drawn) +(\S+) +(\S+) +(\S+) +x (\S+)$"
    return {row[:2]: [*map(float, row[2:])] for row in re.findall(pattern, text, re.M)}


def test_fresh_cells_stand_side_by_side(tmp_path, capsys):
    flags = ["--cells=irnn,gru,indrnn", "--scales=0.5,2", "--forget_biases=0"]
    code, out, err = run(capsys, *SMALL, *flags, f"--output={tmp_path}")
    assert code == 0, err
    rows = rows_of(out)
    scaled = [(c, f"scale {s}") for c in ("irnn", "gru") for s in ("0.5", "2")]
    assert list(rows) == [*scaled, ("indrnn", "as drawn")]
    # relu and a multiple of the identity: a product over 8 steps is a power, where units are on
    for scale in ("0.5", "2"):
        assert rows["irnn", f"scale {scale}"][1] == pytest.approx(float(scale) ** 8, rel=0.02)
    for _, _, gradient, factor in rows.values():
        assert factor == pytest.approx(min(1, 1 / gradient), rel=0.03)  # of two and three digits
    written = (tmp_path / "gradient_flow.html").read_text()
    assert "No gates, so no such length: indrnn, irnn." in written
    assert written.count("<img") == 5


@pytest.mark.usefixtures("no_report")
def test_the_layers_of_a_trained_run_are_found(tmp_path, capsys):
    flags = ["--config.data=hello", "--config.window=20", "--config.num_steps=2"]
    sizes = ["--config.hidden_size=5", "--config.num_layers=2", "--config.batch_size=2"]
    workdir = tmp_path / "text"
    train = only_training(char_lm.EXPERIMENT).main
    train([f"--workdir={workdir}", *flags, *sizes, "--config.warmup_steps=0"])
    code, out, err = run(capsys, f"--workdir={workdir}", f"--output={tmp_path}", "--length=12")
    assert code == 0, err
    assert list(rows_of(out)) == [("text, layer 1", "trained"), ("text, layer 2", "trained")]
    code, _, err = run(capsys, f"--workdir={workdir}", "--cells=gru")
    assert (code, err) == (2, "error: --cells is for fresh cells: leave --workdir out\n")


def test_the_gradient_is_bounded_by_the_singular_values():
    layer = sources.forgetting_layer(1.0, 4, 16, jax.random.key(0))
    flow = page.flow(layer, jax.random.key(1))
    assert flow.distances == [1, 2, 4, 8]
    assert len(flow.gradient) == 9
    for k, values in zip(flow.distances, flow.products, strict=True):
        assert flow.gradient[k] <= 1.2 * values[0] * flow.gradient[0]  # other steps t
    np.testing.assert_allclose(flow.memory, 1 + np.e, rtol=0.1)


def test_fewer_steps_are_multiplied_where_the_carry_is_large(monkeypatch):
    cell = rnnjax.fast_weights(4)
    params = cell.init(jax.random.key(0), 3)
    (layer,) = rnnjax.diagnostics.trace(cell, params, np.ones((16, 1, 3), np.float32))
    monkeypatch.setattr(page, "LARGEST", 5 * (4 + 4 * 4) ** 2)
    assert page.flow(layer, jax.random.key(1)).distances == [1, 2, 4, 5]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--cells=lsmt"], "unknown cell 'lsmt'; did you mean 'lstm'"),
        (["--cells=no_module:cell"], "the cell no_module:cell cannot be imported"),
        (["--scales=1,x"], "--scales is a list such as 0.9,1.1, from 0 to 100; got '1,x'"),
        (["--scales="], "--scales names one number at least"),
        (["--forget_biases=nan"], "--forget_biases is a list"),
        (["--length=7"], "--length is 8 or more; got 7"),
        (["--hidden_size=0"], "--hidden_size is 1 or more; got 0"),
        (["--workdir=no_folder"], "no_folder"),
        (["--cels=lstm"], "Did you mean --cells?"),
    ],
)
def test_mistakes_are_told_in_a_line(capsys, tmp_path, flags, words):
    code, _, err = run(capsys, f"--output={tmp_path / 'page'}", *flags)
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "page").exists()


def test_both_directions_of_every_network_that_reads_whole_sequences_are_shown(trained_ner):
    layers = sources.trained_layers([str(trained_ner)], 200)
    assert [name for name, _ in layers] == ["ner, layer 1", "ner, layer 2 (backwards)"]
    forward, backward = layers.values()
    assert len(forward.xs) == 8  # the words of the longest sentence
    np.testing.assert_array_equal(forward.xs, backward.xs[::-1])
    np.testing.assert_array_equal(backward.before.h[0], 0)  # It begins with the last word.


def test_runs_that_cannot_be_shown_are_told(capsys, tmp_path, trained_hello, monkeypatch):
    code, _, err = run(capsys, f"--workdir={trained_hello}")
    assert code == 2
    assert "the longest sequence of its first batch has 5 steps; expected 8 or more" in err
    with monkeypatch.context() as patched:
        patched.setattr(sources, "Recurrent", type("Another", (), {}))
        code, _, err = run(capsys, f"--workdir={trained_hello}")
    assert code == 2
    assert "that reads whole sequences; the LanguageModel of char_lm has none" in err
    training.atomic_files.write_text(tmp_path / "experiment.json", '{"experiment": "chess"}')
    code, _, err = run(capsys, f"--workdir={tmp_path}")
    assert (code, "'chess', which is not among those here" in err) == (2, True)
