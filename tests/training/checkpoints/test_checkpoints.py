import gc
import os
import resource
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.training import atomic_files, find_checkpoint, read_meta, restore_params
from rnnjax.training.checkpoints.checkpoints import Checkpoints
from rnnjax.training.checkpoints.reading import Meta, intact
from tests.training import toy
from tests.training.toy import assert_same


def state(seed=0, size=5):
    draw = np.random.default_rng(seed)
    return {
        "params": [jnp.asarray(draw.standard_normal((size, 3)), jnp.float32)],
        "half": jnp.asarray(draw.standard_normal(4), jnp.bfloat16),
        "flags": (jnp.array([True, False]), None),
        "empty": jnp.zeros((0, 7)),
        "count": jnp.asarray(seed, jnp.int32),
    }


def meta(step, score=None, **fields):
    return Meta(
        **{"step": step, "score": score, "config": {"size": 5}, "extra": {}, "position": None}
        | {"best_so_far": {}}
        | fields
    )


def save(checkpoints, state, meta):
    """Saves, waits, and returns the folder of the checkpoint."""
    checkpoints.start_save(state, meta)
    checkpoints.wait()
    return checkpoints.path(meta.step)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_round_trip(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.restore(state()) is None
    saved = meta(7, 1.5, position={"index": [1, 2]}, extra={"vocabulary": "aé\n"})
    save(checkpoints, state(3), saved)
    restored, found = checkpoints.restore(state())
    assert_same(restored, state(3))
    assert found == saved
    assert names(tmp_path) == ["step_00000007"]


def test_last_and_best_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep_last=2)
    for step, score in enumerate([3.0, 1.0, None, 2.0, 1.0, 5.0, None], 1):
        save(checkpoints, state(step), meta(step, score))
    assert names(tmp_path) == ["step_00000002", "step_00000006", "step_00000007"]
    assert find_checkpoint(tmp_path, "best").name == "step_00000002"
    assert find_checkpoint(tmp_path, "latest").name == "step_00000007"
    assert_same(checkpoints.restore(state())[0], state(7))


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, Path.unlink])
@pytest.mark.parametrize("victim", ["largest", "meta.json", "manifest.json"])
def test_damage_is_found_and_the_newest_whole_one_used(tmp_path, capsys, damage, victim):
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2, 3):
        path = save(checkpoints, state(step, size=2000), meta(step))
    files = [p for p in path.rglob("*") if p.is_file()]
    damage(max(files, key=lambda p: p.stat().st_size) if victim == "largest" else path / victim)
    assert find_checkpoint(tmp_path).name == "step_00000002"
    capsys.readouterr()
    restored, found = checkpoints.restore(state(size=2000))
    assert found.step == 2
    assert_same(restored, state(2, size=2000))
    said = capsys.readouterr().err
    assert f"{path} is damaged: " in said
    # It is set aside and does not come in the way of its successor.
    assert names(tmp_path) == ["damaged-step_00000003", "step_00000001", "step_00000002"]
    path = save(checkpoints, state(3, size=2000), meta(3))
    assert checkpoints.restore(state(size=2000))[1].step == 3
    truncate(path / "meta.json")
    assert checkpoints.restore(state(size=2000))[1].step == 2


def test_every_single_file_is_guarded(tmp_path):
    path = save(Checkpoints(tmp_path), state(), meta(1))
    files = [p for p in path.rglob("*") if p.is_file()]
    assert len(files) > 4
    for file in files:
        content = file.read_bytes()
        if content:
            flip_a_bit(file)
            assert atomic_files.find_fault(path) is not None, file
        file.unlink()
        assert atomic_files.find_fault(path) is not None, file
        file.write_bytes(content)
    assert atomic_files.find_fault(path) is None


def test_no_whole_checkpoint_is_an_error(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    path = save(checkpoints, state(), meta(1))
    truncate(path / "meta.json")
    with pytest.raises(UserError, match=r"is damaged: file meta\.json was truncated"):
        restore_params(path)
    with pytest.raises(UserError, match=f"No checkpoint in {tmp_path} is intact"):
        checkpoints.restore(state())


def test_damaged_best_gives_way_aloud(tmp_path, capsys):
    checkpoints = Checkpoints(tmp_path)
    for step, score in ((1, 0.1), (2, 0.3), (3, 0.2)):
        save(checkpoints, state(step), meta(step, score))
    flip_a_bit(checkpoints.path(1) / "meta.json")
    assert find_checkpoint(tmp_path, "best").name == "step_00000003"
    assert "step_00000001 is damaged" in capsys.readouterr().err
    assert len(names(tmp_path)) == 3


def test_a_checkpoint_that_the_training_removes_meanwhile_is_not_damaged(tmp_path, capsys):
    assert [*intact([tmp_path / "step_00000001"])] == []
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    toy.run(tmp_path, 2)

    def denied(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(atomic_files, "_sha256", denied)
    checkpoint = tmp_path / "checkpoints/step_00000002"
    with pytest.raises(UserError, match=r"is damaged: file .* cannot be read \(Permission denied"):
        find_checkpoint(checkpoint)


def test_misfit_is_listed(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, state(), meta(1))
    other = state(size=6)
    other["count"] = jnp.asarray(0.0)
    other["new"] = other.pop("half")
    with pytest.raises(UserError) as error:
        checkpoints.restore(other)
    message = str(error.value)
    assert "params/0: float32[5, 3] there, float32[6, 3] expected" in message
    assert "count: int32[] there, float32[] expected" in message
    assert "new: absent there, bfloat16[4] expected" in message
    assert "half: bfloat16[4] there, absent expected" in message
    assert "empty" not in message


def test_parameters_alone(tmp_path):
    result = toy.run(tmp_path / "run", 9)
    expected = {True: result.state.ema, False: result.state.params}
    for averaged in (True, False):
        for folder in (tmp_path / "run", tmp_path / "run" / "checkpoints"):
            got = restore_params(folder, toy.init_params(), which="latest", averaged=averaged)
            assert_same(got, expected[averaged])
    flat = restore_params(tmp_path / "run" / "checkpoints" / "step_00000009", averaged=False)
    assert_same(flat, expected[False])
    assert read_meta(tmp_path / "run").config == {"num_steps": 9}
    assert read_meta(tmp_path / "run").step == 9
    with pytest.raises(UserError, match="do not fit"):
        restore_params(tmp_path / "run", {"w_h": jnp.zeros((8, 8))})


def test_folder_without_checkpoint_is_named(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UserError, match=f"No checkpoint in {folder}"):
            read_meta(folder)
    with pytest.raises(UserError, match="unknown checkpoint 'newest'"):
        read_meta(tmp_path, "newest")


# What Orbax leaves behind after a failed write complains when it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_full_disk_leaves_older_checkpoints_whole(tmp_path, caplog):
    """The system refuses files above 100 kB, as a full disk would somewhere in the middle."""
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, state(1, size=20_000), meta(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(UserError, match=r"Cannot write .*step_00000002"):
            save(checkpoints, state(2, size=20_000), meta(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    gc.collect()
    assert not any(record.name == "absl" for record in caplog.records)
    assert names(tmp_path) == ["step_00000001"]
    assert_same(checkpoints.restore(state(size=20_000))[0], state(1, size=20_000))
    save(checkpoints, state(2, size=20_000), meta(2))
    assert checkpoints.restore(state(size=20_000))[1].step == 2


def test_a_disk_known_to_be_full_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000))
    with pytest.raises(UserError, match="No space left on device"):
        save(Checkpoints(tmp_path), state(size=100), meta(1))
    assert names(tmp_path) == []


@pytest.mark.parametrize("operation", ["fsync", "rename", "replace"])
def test_any_failing_operation_leaves_older_checkpoints_whole(tmp_path, monkeypatch, operation):
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, state(1), meta(1))

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_files.os, operation, full)
    with pytest.raises(UserError, match="No space left on device"):
        save(checkpoints, state(2), meta(2))
    monkeypatch.undo()
    assert checkpoints.restore(state())[1].step == 1


@pytest.fixture
def disk_calls(monkeypatch):
    """The inodes that are synced and the names that are given, in their order."""
    calls = []

    def recorded(operation, call_of):
        def record(*args, **options):
            calls.append(call_of(*args))
            operation(*args, **options)

        return record

    monkeypatch.setattr(os, "fsync", recorded(os.fsync, lambda file: os.fstat(file).st_ino))
    for name in ("rename", "replace"):
        renamed = recorded(getattr(os, name), lambda _, target: str(target))
        monkeypatch.setattr(os, name, renamed)
    return calls


def test_all_of_a_checkpoint_is_synced_before_it_has_its_name_and_its_folder_after(
    tmp_path, disk_calls
):
    folder = tmp_path / "run/checkpoints"
    path = save(Checkpoints(folder), state(), meta(1))
    named = disk_calls.index(str(path))
    inside = {part.stat().st_ino for part in (path, *path.rglob("*"))}
    parents = {parent.stat().st_ino for parent in (tmp_path, tmp_path / "run")}
    assert inside | parents <= set(disk_calls[:named])
    assert folder.stat().st_ino in disk_calls[named:]


def test_a_file_is_synced_before_it_has_its_name_and_its_folder_after(tmp_path, disk_calls):
    path = tmp_path / "config.json"
    atomic_files.write_bytes(path, b"{}")
    assert disk_calls == [path.stat().st_ino, str(path), tmp_path.stat().st_ino]


def test_read_only_folder_is_an_error():
    folder = Path(tempfile.mkdtemp())
    try:
        path = save(Checkpoints(folder / "checkpoints"), state(1), meta(1))
        for sub in (folder, folder / "checkpoints", path):
            sub.chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # permissions do not bind root
        try:
            with pytest.raises(UserError, match=r"Cannot write .*: Permission denied"):
                save(Checkpoints(folder / "checkpoints"), state(2), meta(2))
            assert Checkpoints(folder / "checkpoints").restore(state())[1].step == 1
        finally:
            os.seteuid(user)
    finally:
        for sub in (folder, folder / "checkpoints"):
            sub.chmod(0o755)
        shutil.rmtree(folder)
