"""A process killed by SIGKILL, started again, ends with the same bits.

The soak test kills at random moments; here the kills come while a checkpoint is written.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.training import toy

ROOT = Path(__file__).parents[2]
NUM_STEPS = 60
# One save of the toy brings about 20 things to the disk, so these lie in the first save and at the
# end of a later one.
DIE_AT = (9, 71)
# A process that is killed may leave half a program in the folder that the suite shares.
COMPILES_FOR_ITSELF = {"JAX_ENABLE_COMPILATION_CACHE": "false"}


def start(workdir, result, *how, num_steps=NUM_STEPS, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.toy", workdir, str(num_steps), result, *how],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **COMPILES_FOR_ITSELF},
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def final_state(workdir, result, num_steps=NUM_STEPS):
    toy.main(workdir, num_steps, str(result))
    with np.load(result) as arrays:
        return dict(arrays)


def test_killed_runs_end_with_the_same_bits(tmp_path):
    workdir, result = tmp_path / "killed", tmp_path / "killed.npz"
    inside_a_save = False
    for die_at in DIE_AT:
        process = start(workdir, result, str(die_at))
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
        inside_a_save |= any(workdir.glob("checkpoints/.*"))
    assert inside_a_save
    expected = final_state(tmp_path / "whole", tmp_path / "whole.npz")
    got = final_state(workdir, result)
    assert set(got) == set(expected)
    for name in expected:
        assert got[name].tobytes() == expected[name].tobytes(), name
    assert expected[".step"] == NUM_STEPS
    left = [path.name for path in workdir.glob("checkpoints/*")]
    assert all(name.startswith("step_") for name in left), left


@pytest.mark.parametrize("operation", range(1, 28))
def test_every_instant_of_a_save_leaves_the_one_before(tmp_path, monkeypatch, operation):
    """As a kill would, an exception that nobody catches ends the save at its n-th operation."""
    import jax.numpy as jnp

    from rnnjax.training import atomic_files
    from rnnjax.training.checkpoints import checkpoints, reading

    class Killed(BaseException):
        pass

    checkpoints = checkpoints.Checkpoints(tmp_path, keep_last=1)

    def save(step):
        meta = reading.Meta(step, None, {}, {}, None, {})
        checkpoints.start_save({"w": jnp.full(4, step)}, meta)
        checkpoints.wait()

    save(1)
    left = [operation]

    def deadly(original):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return original(*args, **kwargs)

        return call

    for name in ("fsync", "rename", "replace"):
        monkeypatch.setattr(atomic_files.os, name, deadly(getattr(os, name)))
    rmtree = atomic_files.shutil.rmtree

    def killed_halfway(folder, **options):
        (folder / "meta.json").unlink(missing_ok=True)
        deadly(rmtree)(folder, **options)

    monkeypatch.setattr(atomic_files.shutil, "rmtree", killed_halfway)
    finished = True
    try:
        save(2)
    except Killed:
        finished = False
    monkeypatch.undo()
    assert not any(map(atomic_files.find_fault, tmp_path.glob("step_*")))
    state, meta = checkpoints.restore({"w": jnp.zeros(4, jnp.int32)})
    assert (state["w"] == meta.step).all()
    assert meta.step == 2 if finished else meta.step in (1, 2)
    save(3)
    assert [path.name for path in tmp_path.iterdir()] == ["step_00000003"]
