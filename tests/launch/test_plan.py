import dataclasses

import pytest

from experiments.char_lm import EXPERIMENT, PRESETS
from launch.sweep import plan
from rnnjax.errors import UserError


def planned(folder, *axes, seeds=1, flags=()):
    return plan.plan(EXPERIMENT, plan.parse_grid([axes]), seeds, flags, folder)


def test_every_combination_once_a_seed(tmp_path):
    runs = planned(tmp_path, "cell=lstm,gru", "config.hidden_size=4,8", seeds=3)
    assert len(runs) == 12
    assert len({run.workdir for run in runs}) == 12
    assert [run.seed for run in runs[:3]] == [0, 1, 2]
    assert runs[-1].setting == {"cell": "gru", "hidden_size": "8"}
    assert runs[-1].name == "cell=gru,hidden_size=8,seed=2"


def test_a_run_is_the_command_that_the_experiment_takes(tmp_path):
    (run,) = planned(tmp_path, "cell=gru", flags=["--preset=hello", "--config.num_steps=7"])
    parsed = EXPERIMENT.parse(run.flags)
    expected = dataclasses.replace(PRESETS["hello"].config, cell="gru", num_steps=7)
    assert parsed.config == expected
    assert parsed.workdir == run.workdir
    assert run.num_steps == 7


def test_names_of_runs_are_safe_and_distinct(tmp_path):
    runs = planned(tmp_path, "data=hello,/a/b c.txt,_a_b_c.txt")
    names = [run.name for run in runs]
    assert len(set(names)) == 3
    assert not any("/" in name or " " in name for name in names)


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (["cel=lstm"], "char_lm has no such config field; did you mean 'cell'?"),
        (["cell=lstm,gro"], "unknown --config.cell=gro; did you mean 'gru'?"),
        (["hidden_size=4,x"], "--config.hidden_size"),
        (["hidden_size=4,0"], "--config.hidden_size is 1 or more; got 0"),
        (["cell"], "--grid takes FIELD=VALUE,VALUE,...; got 'cell'"),
        (["cell=lstm,"], "--grid takes FIELD=VALUE"),
        (["cell=lstm", "cell=gru"], "--grid names cell twice"),
        (["cell=lstm,lstm"], "a value is given twice"),
        (["seed=1,2"], "seeds are counted by --seeds"),
    ],
)
def test_a_bad_grid_is_refused_before_anything_starts(tmp_path, axes, said):
    with pytest.raises(UserError) as error:
        planned(tmp_path / "sweep", *axes)
    assert said in str(error.value)
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--config.cell=gru"], "--config.cell after -- is in the --grid too"),
        (["--workdir=x"], "--workdir after -- is for the sweep itself to give"),
        (["--config.seed=3"], "--config.seed after -- is for the sweep itself"),
        (["--preset=huge"], "unknown --preset=huge"),
    ],
)
def test_flags_of_all_runs_are_checked(tmp_path, flags, said):
    with pytest.raises(UserError) as error:
        planned(tmp_path, "cell=lstm", flags=flags)
    assert said in str(error.value)


def test_no_seeds_are_refused(tmp_path):
    with pytest.raises(UserError, match="--seeds is 1 or more; got 0"):
        planned(tmp_path, "cell=lstm", seeds=0)


def test_a_folder_keeps_to_one_sweep(tmp_path):
    folder = tmp_path / "sweep"
    plan.claim(folder, "char_lm", ["--preset=hello"])
    plan.claim(folder, "char_lm", ["--preset=hello"])
    for experiment, flags in (("ner", ["--preset=hello"]), ("char_lm", [])):
        with pytest.raises(UserError, match="Choose another --name"):
            plan.claim(folder, experiment, flags)
