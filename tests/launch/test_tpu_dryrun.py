"""The compiler for TPUs, and what is read from what it makes."""

import dataclasses
import os

import jax
import numpy as np
import pytest

import experiments
from experiments import captioning, char_lm, ner
from launch import command
from launch.tpu_dryrun import chips, report
from launch.tpu_dryrun.__main__ import dryrun
from launch.tpu_dryrun.compilation import DoesNotFit, compile_step
from rnnjax import data
from rnnjax.tasks.captioning.preparation import prepare as prepare_captions
from rnnjax.tasks.language.assembly import make_model
from rnnjax.tasks.language.config import LanguageConfig
from rnnjax.tasks.language.preparation import load_corpus

pytestmark = pytest.mark.skipif(os.uname().sysname != "Linux", reason="libtpu is made for Linux")
pytest.importorskip("libtpu", reason="the compiler for TPUs: pip install 'rnnjax[tpu]'")

T, B, D, H, V = 16, 32, 128, 256, 256
CONFIG = LanguageConfig(
    level="byte", window=T, batch_size=B, embed_size=D, hidden_size=H, average="none"
)


@pytest.fixture(scope="module")
def steps():
    """A training step for one chip and for four."""
    return {
        n: compile_step(char_lm.EXPERIMENT, CONFIG, chips.find_slice(f"v5e-{n}")) for n in (1, 4)
    }


def test_arithmetic_is_that_of_the_formula_and_shared_out(steps):
    layer, head = 2 * T * B * (D + H) * 4 * H, 2 * T * B * H * V
    for num_chips, step in steps.items():
        assert step.cost.unknown_loops == 0
        # Embedding by a matmul with rows of one, where the compiler takes it, is at most this.
        embedding = 3 * 2 * T * B * V * D
        least = 3 * (layer + head)
        assert least <= step.cost.flops * num_chips <= least + embedding


def test_gradients_are_exchanged_once(steps):
    assert not steps[1].cost.collectives
    params = sum(p.size for p in jax.tree.leaves(steps[4].task.params))
    sent = sum(one.num_bytes * n for one, n in steps[4].cost.collectives.items())
    assert {one.kind for one in steps[4].cost.collectives} == {"all-reduce"}
    assert 4 * params <= sent <= 4 * params + 1024


def test_divided_parameters_take_less_of_each_chip(steps):
    divided = compile_step(char_lm.EXPERIMENT, CONFIG, chips.find_slice("v5e-4"), "fsdp:4")
    assert divided.memory.arguments < 0.3 * steps[4].memory.arguments
    kinds = {one.kind for one in divided.cost.collectives}
    assert "all-gather" in kinds


def test_memory_holds_parameters_and_moments(steps):
    params = sum(p.size for p in jax.tree.leaves(steps[1].task.params))
    for step in steps.values():
        least = 3 * 4 * params  # Adam keeps two moments
        assert least <= step.memory.arguments <= 1.1 * least
        assert step.memory.code > 0


def test_carry_and_batch_are_shared_out(steps):
    batch = T * B * (4 + 4 + 1 + 1)
    carry = 2 * B * H * 4
    saved = steps[1].memory.arguments - steps[4].memory.arguments
    assert 0.7 * (batch + carry) <= saved <= 2 * (batch + carry)


def test_what_does_not_fit_is_told_with_numbers(capsys):
    config = dataclasses.replace(CONFIG, batch_size=1 << 17, window=256)
    with pytest.raises(DoesNotFit) as fault:
        compile_step(char_lm.EXPERIMENT, config, chips.find_slice("v5e-1"))
    assert fault.value.needed > fault.value.available
    assert 0.9 * 16 * chips.GIB < fault.value.available <= 16 * chips.GIB


def test_the_command_tells_all(capsys):
    code = dryrun([
        "--experiment=char_lm", "--preset=hello", "--topology=v5e-1", "--price_per_chip_hour=1.2"
    ])  # fmt: skip
    out = capsys.readouterr().out
    assert code == 0
    for words in ("it fits", "FLOP", "exchange     none", "roofline", "chars a second", "and cost"):
        assert words in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--topology=v5e:5x5"], "unknown --topology=v5e:5x5, chips along"),
        (["--topology=v5e-16", "--preset=hello"], "is no multiple of 16: take 16"),
        (["--topology=v5e-1", "--price_per_chip_hour=-1"], "--price_per_chip_hour is 0 or more"),
        (["--topology=v5e-1", "--config.cel=gru"], "config.cel"),
        (["--topology=v5e-16", "--mesh=data:4"], "--mesh=data:4 is for 4 chips; v5e:4x4 has 16"),
        (["--topology=v5e-16", "--mesh=date:16"], "did you mean 'data'?"),
        (["--preset=hello"], "required: --topology"),
    ],
)
def test_a_bad_command_line_is_told_in_a_line(capsys, arguments, said):
    with pytest.raises(SystemExit) as stop:
        command.guarded(dryrun, ["--experiment=char_lm", *arguments])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


PRESETS = [
    pytest.param(command.experiment(name), preset, id=f"{name}-{preset}")
    for name in experiments.summaries()
    for preset in command.experiment(name).presets
]
COMPILED = [
    param
    for param in PRESETS
    if param.id in ("ner-default", "draw-default") or "RNNJAX_ALL_PRESETS" in os.environ
]
"""All of them take minutes to compile for a TPU."""


@pytest.mark.parametrize(("experiment", "preset"), COMPILED)
def test_every_preset_fits_on_colab_or_the_default_on_a_slice(experiment, preset):
    """The defaults are small; what is asked of them is that they can be shared out."""
    target = chips.find_slice("v5e-16" if preset == "default" else "v5e-1")
    config = experiment.presets[preset].config
    rows = -(-config.batch_size // target.num_chips)
    config = dataclasses.replace(config, batch_size=rows * target.num_chips)
    step = compile_step(experiment, config, target)
    assert 0 < step.memory.total < 1.25 * target.chip.hbm
    assert report.roofline(step.cost, target).seconds > 0
    assert step.cost.unknown_loops == 0


def shapes(tree):
    return jax.tree.map(lambda x: (x.shape, np.dtype(x.dtype)), tree)


def test_the_shapes_of_characters_are_those_of_the_data():
    config = char_lm.PRESETS["hello"].config
    task = char_lm.EXPERIMENT.abstract_task(config)
    windows = data.TrainingWindows(
        load_corpus(config).splits["train"], batch_size=config.batch_size,
        window=config.window, rotate=False,
    )  # fmt: skip
    assert shapes(task.batch) == shapes(windows[0])
    assert task.units == windows[0]["mask"].size
    assert shapes(task.carry) == shapes(make_model(config, 4).initial_carry(4))


def test_the_shapes_of_sentences_are_those_of_the_longest():
    config = ner.PRESETS["default"].config
    longest = max(len(one.tokens) for one in ner.load_tagged(config).splits["train"])
    batch = ner.EXPERIMENT.abstract_task(config).batch
    assert batch["words"].shape == (longest, config.batch_size)


def test_the_shapes_of_scenes_are_those_of_the_data():
    config = captioning.PRESETS["default"].config
    task = captioning.EXPERIMENT.abstract_task(config)
    prepared = prepare_captions(config)
    longest = max((prepared.batches[n] for n in range(8)), key=lambda batch: len(batch["words"]))
    assert shapes(task.batch) == shapes(longest)
    head = task.params["head"]["kernel"].get_value()
    assert head.shape[1] == len(prepared.vocabulary)
