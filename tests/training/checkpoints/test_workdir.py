import json
import os

import jax
import numpy as np
import pytest

from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.training.checkpoints import workdir
from tests.training import toy


def test_other_experiment_is_refused(tmp_path):
    early = training.open_workdir(tmp_path, name="char_lm", config={"size": 2})
    with training.open_workdir(tmp_path, name="toy", config={"size": 1}).in_use():
        pass
    before = (tmp_path / "config.json").read_text()
    told = "holds the experiment 'toy', not 'char_lm'"
    with pytest.raises(UserError, match=told):
        training.open_workdir(tmp_path, name="char_lm", config={"size": 2})
    with pytest.raises(UserError, match=told), early.in_use():
        pass
    assert (tmp_path / "config.json").read_text() == before


def test_a_run_that_never_began_leaves_nothing(tmp_path):
    workdir = training.open_workdir(tmp_path / "new" / "run", name="toy", config={"size": 1})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError), workdir.in_use():
        raise UserError("the cell cannot be used")
    assert list(tmp_path.iterdir()) == []
    with workdir.in_use():
        pass
    assert json.loads((tmp_path / "new" / "run" / "config.json").read_text()) == {"size": 1}


def test_each_field_of_a_config_that_differs_is_told(tmp_path):
    config = {"num_steps": 3, "size": 8, "name": "a", "old": True}
    toy.run(tmp_path, 3, config=config)
    now = {"num_steps": 9, "size": 16, "name": "a", "new": [1]}
    with pytest.raises(UserError) as error:
        training.open_workdir(tmp_path, name="toy", config=now, may_change={"num_steps"})
    first, _ = str(error.value).splitlines()
    assert first == (
        f"The run in {tmp_path} has another config: size is 8 there, 16 now; "
        "new is absent there, [1] now."
    )
    assert json.loads((tmp_path / "config.json").read_text()) == config


def test_settings_that_no_longer_exist_are_told_in_one_line_on_resuming(tmp_path, capsys):
    toy.run(tmp_path, 3, config={"size": 8, "old": True, "older": "a"})
    capsys.readouterr()
    training.open_workdir(tmp_path, name="toy", config={"size": 8})
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"Settings of the run in {tmp_path} that no longer exist, without effect: "
        'old=true, older="a"'
    )


def test_fields_that_may_change_are_written_anew(tmp_path):
    toy.run(tmp_path, 3, config={"num_steps": 3, "sizes": (1, 2)})
    workdir = training.open_workdir(
        tmp_path, name="toy", config={"num_steps": 9, "sizes": (1, 2)}, may_change={"num_steps"}
    )
    with workdir.in_use():
        assert json.loads((tmp_path / "config.json").read_text())["num_steps"] == 9
    assert workdir.config["sizes"] == [1, 2]


def test_a_run_from_before_there_was_a_setting_goes_on_with_its_default(tmp_path):
    toy.run(tmp_path, 3, config={"size": 1})
    defaults = {"size": 7, "sizes": (2, 3)}

    def again(**config):
        return training.open_workdir(tmp_path, name="toy", config=config, defaults=defaults)

    assert again(size=1, sizes=(2, 3)).config == {"size": 1, "sizes": [2, 3]}
    for other in ({"size": 1, "sizes": (2, 4)}, {"size": 7, "sizes": (2, 3)}, {"size": 1}):
        with pytest.raises(UserError, match="has another config"):
            again(**other)


def test_before_the_first_checkpoint_any_config_may_follow(tmp_path):
    with training.open_workdir(tmp_path, name="toy", config={"size": 1}).in_use():
        pass
    assert training.open_workdir(tmp_path, name="toy", config={"size": 2}).config == {"size": 2}


def test_two_processes_cannot_train_in_one_folder(tmp_path):
    workdir = training.open_workdir(tmp_path, name="toy")
    with (
        workdir.in_use(),
        pytest.raises(UserError, match="Another process is training"),
        training.open_workdir(tmp_path, name="toy").in_use(),
    ):
        pass
    with workdir.in_use():
        pass


def test_a_folder_that_the_first_process_alone_has_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(workdir, "from_first", lambda action: None)  # as in another process
    monkeypatch.setattr(workdir, "SECONDS_TO_APPEAR", 0)
    opened = training.open_workdir(tmp_path / "mine", name="toy")
    with pytest.raises(UserError, match="need a workdir that they share"), opened.in_use():
        pass


def test_a_folder_whose_checkpoints_could_not_be_read_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"run \[1\] is a pattern"):
        training.open_workdir(tmp_path / "run [1]", name="toy")


def test_impossible_folder_is_one_message(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=f"Cannot write {path}: "):
            training.open_workdir(path, name="toy")
    assert (tmp_path / "file").read_text() == "x"


def test_folder_without_permission_is_one_message(tmp_path):
    if os.geteuid() == 0:
        folder, words = "/proc/toy", "Cannot write /proc/toy"
    else:
        tmp_path.chmod(0o555)
        folder, words = tmp_path / "toy", "Permission denied"
    with pytest.raises(UserError, match=words):
        training.open_workdir(folder, name="toy")


def test_new_run_from_the_parameters_of_another(tmp_path):
    toy.run(tmp_path / "old", 6)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "old").rglob("*")}
    params = training.restore_params(tmp_path / "old", toy.init_params())
    step, new_state = toy.step_and_state()
    state = new_state(params, np.zeros((toy.ROWS, toy.SIZE), np.float32))
    result = toy.train(tmp_path / "new", 2, step=step, state=state)
    assert result.step == 2
    moved = [
        float(np.abs(new - old).max())
        for new, old in zip(
            jax.tree.leaves(result.state.params), jax.tree.leaves(params), strict=True
        )
    ]
    assert 0 < max(moved) < 0.05
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "old").rglob("*")} == before


def test_another_batch_size_is_refused_with_what_to_do(tmp_path):
    toy.run(tmp_path, num_steps=2, config={"batch_size": 4})
    with pytest.raises(UserError) as raised:
        toy.run(tmp_path, num_steps=4, config={"batch_size": 8})
    assert "batch_size is 4 there, 8 now" in str(raised.value)
    assert f"--restore_from={tmp_path} in a new workdir keeps the parameters" in str(raised.value)
