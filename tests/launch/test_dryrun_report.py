import dataclasses
from collections import Counter

import pytest

from experiments import char_lm
from launch.tpu_dryrun import __main__ as dryrun
from launch.tpu_dryrun import chips, report
from launch.tpu_dryrun.compilation import Compiled, DoesNotFit, Memory
from launch.tpu_dryrun.cost import Collective, Cost
from rnnjax.errors import UserError
from rnnjax.training import Task


@pytest.mark.parametrize(
    ("name", "full", "num_chips"),
    [("v5e:4x4", "v5e:4x4", 16), ("v5e-1", "v5e:1x1", 1), ("v5p-8", "v5p:2x2x2", 8)],
)
def test_a_slice_by_name(name, full, num_chips):
    found = chips.find_slice(name)
    assert (found.name, found.num_chips) == (full, num_chips)


@pytest.mark.parametrize("name", ["v5e:3x3", "v5e", "v4:2x2", "v5e-3", "v5p:4x4", ""])
def test_a_slice_that_there_is_not_gives_those_that_there_are(name):
    with pytest.raises(UserError) as error:
        chips.find_slice(name)
    said = str(error.value)
    assert said.startswith(f"unknown --topology={name},")
    for valid in ("v5e:16x16", "v5p:2x2x1", "v6e:4x4"):
        assert valid in said
        assert chips.find_slice(valid).name == valid


def test_the_roofline_is_the_slowest_of_three():
    target = chips.find_slice("v5e:4x4")
    cost = Cost(197e12, 2 * 819e9, Counter({Collective("collective-permute", 10**9, 16): 100}), 0)
    found = report.roofline(cost, target)
    assert found == pytest.approx((1.0, 2.0, 0.5))
    assert (found.seconds, found.bound) == (pytest.approx(2.0), "memory bandwidth")
    assert found.exchange_share == pytest.approx(0.2)
    assert report.roofline(cost._replace(num_bytes=0.0), target).bound == "arithmetic"


def test_the_price_is_of_all_chips_and_updates():
    config = dataclasses.replace(char_lm.PRESETS["large"].config, num_steps=7200)
    task = Task(None, None, None, None, units=10, unit="char")
    step = Compiled(task, Memory(1, 2, 3, 4), Cost(0.5 * 197e12, 1.0, Counter(), 0))
    said = report.describe(step, config, chips.find_slice("v5e:4x4"), 1.25)
    assert "At the roofline 20 chars a second." in said
    assert said.endswith("7,200 updates take 1 hours at least and cost 20.00 (16 chips at 1.25).")
    assert "exchange     none" in said


def test_advice_fits_the_config():
    fault = DoesNotFit(32 * chips.GIB, 16 * chips.GIB)
    target = chips.find_slice("v5e:4x4")
    config = char_lm.PRESETS["default"].config
    said = report.advise(fault, config, target)
    assert "It does not fit: at least 32.00 GiB are needed of 16.00 GiB" in said
    for idea in ("--sweep", "remat=gates", "bfloat16", "window below 64", "v5e:4x8"):
        assert idea in said
    saving = dataclasses.replace(config, remat="sqrt", compute_dtype="bfloat16")
    said = report.advise(fault, saving, chips.find_slice("v5e:16x16"))
    for idea in ("remat", "bfloat16", "larger slice"):
        assert idea not in said


@pytest.mark.parametrize(("fitting", "found"), [(70, 64), (4, 4), (3, 4)])
def test_the_batch_is_doubled_until_it_does_not_fit(monkeypatch, fitting, found):
    def compile_step(experiment, config, target, mesh):
        if config.batch_size > fitting:
            raise DoesNotFit(2.0, 1.0)
        return Compiled(None, Memory(1, 1, 1, 1), None)

    monkeypatch.setattr(dryrun, "compile_step", compile_step)
    config = char_lm.PRESETS["default"].config
    target = chips.find_slice("v5e:2x2")
    assert dryrun.largest_batch(None, config, target, None).batch_size == found
