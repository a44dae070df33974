"""The settings of a training: what follows from the number of updates."""

import dataclasses

import pytest

from rnnjax.errors import UserError
from rnnjax.training import TrainingConfig


@pytest.mark.parametrize(
    ("num_steps", "warmup", "memory", "rows"),
    [(1, 0, 1, 1), (50, 5, 8, 2), (200, 20, 33, 10), (3000, 100, 500, 50), (10**6, 100, 500, 50)],
)
def test_defaults_follow_the_length_of_the_run(num_steps, warmup, memory, rows):
    config = TrainingConfig(num_steps=num_steps)
    config.validate()
    assert (config.warmup, config.row_every) == (warmup, rows)
    assert config.decay == pytest.approx(1 - 1 / memory)


def test_a_preset_cut_short_shrinks_and_what_is_asked_for_stays():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(TrainingConfig):
        phases = ("phase",)
        phase: int = 1000

    preset = Config(num_steps=5000, warmup_steps=200, average_decay=0.999)
    short = preset.of_length(50)
    short.validate()
    assert (short.warmup, short.decay, short.phase) == (5, 1 - 1 / 8, 10)
    assert preset.of_length(9000) == dataclasses.replace(preset, num_steps=9000)
    asked = dataclasses.replace(short, warmup_steps=50)
    with pytest.raises(UserError, match="num_steps=50 and warmup_steps=50"):
        asked.validate()
