"""How much of the default batches of pairs is padding."""

import importlib

import pytest


@pytest.mark.parametrize(
    ("task", "needed"), [("translation", "num2words"), ("summarisation", "rouge_score")]
)
def test_less_than_a_fifth_of_a_default_epoch_is_padding(task, needed):
    pytest.importorskip(needed)
    experiment = importlib.import_module(f"experiments.{task}").EXPERIMENT
    prepare = importlib.import_module(f"rnnjax.tasks.{task}.preparation").prepare
    batches = prepare(experiment.presets["default"].config).batches
    real, padded = 0, 0
    for n in range(batches.batches_per_epoch):
        batch = batches[n]
        for symbols, lengths in (("source", "source_lengths"), ("target", "lengths")):
            real += batch[lengths].sum()
            padded += batch[symbols].size
    assert 0.8 * padded < real <= padded
