"""Files of torch: their tensors are read, and nothing that they ask for is ever run."""

import os
import pickle
import struct
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.efficientnet import read_state_dict

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
NUMBERS = {
    "100": np.arange(12, dtype=np.float32) / 7,
    "200": np.array([5, -6], np.int64),
}
KINDS = {"100": "FloatStorage", "200": "LongStorage"}


class Storage:
    def __init__(self, key):
        self.key = key


class Tensor:
    """Is pickled as torch pickles a tensor, by a call of its `_rebuild_tensor_v2`."""

    def __init__(self, key, offset, shape, strides):
        self.arguments = (Storage(key), offset, shape, strides, False, OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


class Call:
    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


@pytest.fixture(autouse=True)
def torch_names(monkeypatch):
    """Modules with the names that pickles of torch mention, without torch."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for module, name in [
        (torch, "FloatStorage"),
        (torch, "LongStorage"),
        (torch, "QInt8Storage"),
        (utils, "_rebuild_tensor_v2"),
        (utils, "_rebuild_sparse_tensor"),
    ]:
        setattr(module, name, type(name, (), {"__module__": module.__name__}))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        if isinstance(thing, Storage):
            kind = getattr(sys.modules["torch"], KINDS.get(thing.key, "QInt8Storage"))
            return ("storage", kind, thing.key, "cpu", len(NUMBERS.get(thing.key, ())), None)
        return None


def write(path, tensors, *, magic=MAGIC, keys=("100", "200")):
    sizes = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"long": 4}}
    with open(path, "wb") as file:
        for thing in (magic, VERSION, sizes, tensors, list(keys)):
            Pickler(file, protocol=2).dump(thing)
        for key in keys:
            file.write(struct.pack("<q", len(NUMBERS[key])) + NUMBERS[key].tobytes())
    return path


def state(**more):
    tensors = OrderedDict(
        whole=Tensor("100", 0, (3, 4), (4, 1)),
        turned=Tensor("100", 1, (2, 3), (1, 4)),
        count=Tensor("200", 1, (), ()),
        **more,
    )
    tensors._metadata = OrderedDict(version=1)
    return tensors


def test_tensors_are_views_of_their_storages(tmp_path):
    found = read_state_dict(write(tmp_path / "a.pth", state()))
    table = NUMBERS["100"].reshape(3, 4)
    assert found.keys() == {"whole", "turned", "count"}
    np.testing.assert_array_equal(found["whole"], table)
    np.testing.assert_array_equal(found["turned"], table[:, 1:3].T)
    assert found["count"] == -6
    assert found["whole"].dtype == np.float32
    assert found["count"].dtype == np.int64


def test_nothing_is_called_that_is_no_tensor(tmp_path):
    victim = tmp_path / "victim"
    victim.touch()
    for function, name in ((os.unlink, "posix.unlink"), (eval, "__builtin__.eval")):
        evil = Call(function, str(victim))
        with pytest.raises(UserError, match=f"asks for {name}, and a file of weights may hold"):
            read_state_dict(write(tmp_path / "a.pth", state(evil=evil)))
        with pytest.raises(UserError, match=f"asks for {name}"):
            read_state_dict(write(tmp_path / "a.pth", state(), magic=evil))
    assert victim.exists()


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (Tensor("300", 0, (1,), (1,)), "torch.QInt8Storage"),
        (np.float64(3), "numpy._core.multiarray.scalar"),
    ],
)
def test_other_names_are_refused(tmp_path, thing, name):
    with pytest.raises(UserError, match=f"asks for {name}"):
        read_state_dict(write(tmp_path / "a.pth", state(other=thing)))


def test_the_names_that_are_known_hold_nothing_else(tmp_path):
    for tensors in ([1, 2], {"a": 3}, state(deeper={"b": Tensor("100", 0, (1,), (1,))})):
        with pytest.raises(UserError, match="is no file of weights"):
            read_state_dict(write(tmp_path / "a.pth", tensors))


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (4, 4), (4, 1)), (12, (1,), (1,)), (-1, (1,), (1,)), (5, (3,), (-4,)), (0, (2,), (99,))],
)
def test_a_tensor_stays_in_its_storage(tmp_path, offset, shape, strides):
    path = write(tmp_path / "a.pth", state(out=Tensor("100", offset, shape, strides)))
    with pytest.raises(UserError, match=r"is no file of weights .*ValueError"):
        read_state_dict(path)


def test_a_file_cut_off_anywhere_is_told(tmp_path):
    path = write(tmp_path / "a.pth", state())
    content = path.read_bytes()
    for length in range(0, len(content), 11):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"a\.pth is no file of weights"):
            read_state_dict(path)


def test_files_of_other_formats_are_told(tmp_path):
    path = tmp_path / "a.pth"
    for content in (b"", b"PK\x03\x04 a zip", b"text", pickle.dumps(7) * 3):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"no file of weights in the format of torch before"):
            read_state_dict(path)
    with pytest.raises(UserError, match=r"it does not hold"):
        read_state_dict(write(path, state(), keys=("100",)))
    with pytest.raises(UserError, match=r"cannot read .*none"):
        read_state_dict(tmp_path / "none")
