import os

import pytest

from rnnjax.training import make_gpus_deterministic


@pytest.mark.parametrize(
    ("given", "then"),
    [
        (None, "--xla_gpu_deterministic_ops=true"),
        ("--xla_a=1 --xla_b=2", "--xla_a=1 --xla_b=2 --xla_gpu_deterministic_ops=true"),
        ("--xla_gpu_deterministic_ops=false", "--xla_gpu_deterministic_ops=false"),
    ],
)
def test_the_flag_is_added_unless_the_user_has_said_it(monkeypatch, given, then):
    monkeypatch.setenv("XLA_FLAGS", given or "")
    if given is None:
        monkeypatch.delenv("XLA_FLAGS")
    make_gpus_deterministic()
    make_gpus_deterministic()
    assert os.environ["XLA_FLAGS"] == then
