"""Training on a mesh of four devices: the same losses and parameters as on one."""

import jax
import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.training.devices.mesh import make_mesh, parse_mesh
from rnnjax.training.devices.placement import param_spec
from tests.training.sharded import final, finish, losses, start

MESHES = {"rows": "data:4", "all": "fsdp:2,model:2"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs on one device, on four, and again on other meshes from checkpoints in between."""
    folder = tmp_path_factory.mktemp("mesh")
    finish(
        start(
            4,
            {"workdir": str(folder / "one"), "mesh": "data:1"},
            *({"workdir": str(folder / name), "mesh": mesh} for name, mesh in MESHES.items()),
        )
    )
    return folder


@pytest.mark.parametrize("name", MESHES)
def test_a_mesh_trains_as_one_device_does(folder, name):
    for split in ("train", "valid"):
        expected = losses(folder / "one", split)
        assert len(expected) == {"train": 12, "valid": 2}[split]
        np.testing.assert_allclose(losses(folder / name, split), expected, atol=1e-5)
    expected, got = final(folder / "one"), final(folder / name)
    assert got.keys() == expected.keys()
    for leaf in expected:
        np.testing.assert_allclose(got[leaf], expected[leaf], atol=1e-4, err_msg=leaf)
    first, *_, last = losses(folder / "one")
    assert last < first - 0.2


@pytest.mark.parametrize(
    ("path", "shape", "sizes", "expected"),
    [
        ("params/embed/embedding/value", (64, 96), {"model": 2}, ("model", None)),
        ("params/embed/embedding/value", (65, 96), {"model": 2}, (None, None)),
        ("params/recurrent/params/value/0/w_hh", (64, 256), {"model": 4}, (None, "model")),
        ("opt_state/1/mu/head/kernel/value", (64, 256), {"fsdp": 4}, (None, "fsdp")),
        ("ema/head/kernel/value", (64, 257), {"fsdp": 4}, ("fsdp", None)),
        ("params/w_hh", (64, 256), {"data": 2, "fsdp": 2, "model": 2}, ("fsdp", "model")),
        ("params/b", (8192,), {"model": 2}, (None,)),
        ("params/b", (8192,), {"fsdp": 2}, ("fsdp",)),
        ("params/w_hh", (8, 32), {"fsdp": 2}, ()),
        ("params/w_hh", (64, 256), {"data": 4}, (None, None)),
    ],
)
def test_how_a_parameter_is_divided(path, shape, sizes, expected):
    assert tuple(param_spec(path, shape, sizes)) == expected


def test_a_mesh_is_read_in_its_order():
    assert list(parse_mesh("model:4,data:16").items()) == [("model", 4), ("data", 16)]


@pytest.mark.parametrize(
    ("mesh", "complaint"),
    [
        ("date:8", r"unknown axis 'date' in --mesh=date:8; did you mean 'data'"),
        ("data:8,data:2", "names the axis data twice"),
        ("data", r"AXIS:DEVICES.*got 'data' in --mesh=data"),
        ("data:0", "got 'data:0'"),
        ("data:-2", "got 'data:-2'"),
        ("", "unknown axis ''"),
        ("data:2,model:2", "--mesh=data:2,model:2 is for 4 devices; there are 1 cpu device"),
    ],
)
def test_a_mesh_that_cannot_be_is_refused(mesh, complaint):
    with pytest.raises(UserError, match=complaint):
        make_mesh(mesh, 8)


def test_rows_that_the_devices_do_not_divide_are_refused():
    with pytest.raises(UserError) as raised:
        make_mesh("data:4", 6, 4 * jax.devices())
    assert str(raised.value) == (
        "--mesh=data:4 divides the rows of a batch among 4 devices, and "
        "--config.batch_size=6 is no multiple of 4: take 4 or 8"
    )
