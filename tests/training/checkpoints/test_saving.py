"""Saves beside the steps: what they hold up, what they store, and how their failures are told."""

import shutil
import threading
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.training import atomic_files
from rnnjax.training.checkpoints.checkpoints import Checkpoints
from rnnjax.training.checkpoints.reading import Meta
from tests.training import toy
from tests.training.toy import steps_saved


def test_steps_go_on_while_a_checkpoint_is_written_and_do_not_change_it(tmp_path, monkeypatch):
    step_on, seal = threading.Event(), atomic_files.seal

    def seal_later(folder):
        assert step_on.wait(20)
        seal(folder)

    class Watching(toy.Batches):
        def __next__(self):
            if self.index == 4:  # the third step was dispatched, the fourth comes next
                step_on.set()
            return super().__next__()

    monkeypatch.setattr(atomic_files, "seal", seal_later)
    toy.run(tmp_path, 5, checkpoint_every=2, eval_every=0, batches=Watching())
    assert steps_saved(tmp_path) == [2, 4, 5]
    step, state = toy.setup()
    for n, batch in zip((1, 2, 3, 4), toy.Batches(), strict=False):
        state, _ = step(state, batch)
        if n % 2 == 0:
            saved = Checkpoints(tmp_path / "checkpoints").path(n)
            params = training.restore_params(saved, toy.init_params(), averaged=False)
            for name, array in params.items():
                np.testing.assert_array_equal(array, state.params[name])
    rows = toy.rows(tmp_path, "save")
    assert [row["step"] for row in rows] == [2, 4, 5]
    assert all(0 < row["share"] < 1 for row in rows)


@pytest.mark.parametrize(("fails_at", "stays"), [(2, []), (4, [2]), (10, [4, 6, 8])])
def test_a_failed_save_is_told_at_the_next_one_or_at_the_end(
    tmp_path, monkeypatch, fails_at, stays
):
    seal = atomic_files.seal

    def full_disk(folder):
        if folder.name.endswith(f"{fails_at:08d}"):
            raise OSError(28, "No space left on device")
        seal(folder)

    monkeypatch.setattr(atomic_files, "seal", full_disk)
    batches = toy.Batches()
    with pytest.raises(UserError, match=rf"^Cannot write .*step_{fails_at:08d}: No space left"):
        toy.run(tmp_path, 10, checkpoint_every=2, eval_every=0, batches=batches)
    assert steps_saved(tmp_path) == stays
    assert batches.index <= fails_at + 3
    monkeypatch.undo()
    assert toy.run(tmp_path, 10).step == 10


def test_a_run_that_fails_finishes_the_save_it_had_begun(tmp_path, monkeypatch):
    seal, begun = atomic_files.seal, threading.Event()

    def seal_later(folder):
        begun.set()
        threading.Event().wait(0.3)
        seal(folder)

    class Failing(toy.Batches):
        def __next__(self):
            if self.index == 4:
                assert begun.wait(20)
                raise UserError("a bad line")
            return super().__next__()

    monkeypatch.setattr(atomic_files, "seal", seal_later)
    with pytest.raises(UserError, match="a bad line"):
        toy.run(tmp_path, 9, checkpoint_every=2, batches=Failing())
    assert steps_saved(tmp_path) == [2]


def limit_disk(monkeypatch, free):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))


def test_too_little_disk_is_told_before_the_training(tmp_path, monkeypatch):
    batches = toy.Batches()
    limit_disk(monkeypatch, 4321)
    with pytest.raises(UserError) as raised:
        toy.run(tmp_path / "run", 9, batches=batches)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(toy.setup()[1]))
    assert str(raised.value) == (
        f"Too little disk for {tmp_path}/run/checkpoints: up to 5 checkpoints of "
        f"{size / 1024:.4g} KiB need {5 * size / 1024:.4g} KiB; 4.22 KiB are free, and 0 bytes "
        "are taken by those there are. Make room, or choose a workdir on another disk."
    )
    assert batches.index == 0


def test_room_for_all_that_is_kept_is_enough_and_what_is_there_gives_way(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path / "new", keep_last=1)
    state = {"w": np.zeros(1000, np.float32)}
    limit_disk(monkeypatch, 3 * 4000)
    checkpoints.check_space(state)
    checkpoints.start_save(state, Meta(1, None, {}, {}, None, {}))
    checkpoints.wait()
    limit_disk(monkeypatch, 3 * 4000 - 1)
    checkpoints.check_space(state)
    with pytest.raises(UserError, match="Too little disk"):
        Checkpoints(tmp_path, keep_last=1).check_space(state)
    limit_disk(monkeypatch, 0)
    with pytest.raises(UserError, match=r"; 0 bytes are free, and .* taken by those there are\."):
        checkpoints.check_space(state)
