"""Arithmetic of single operations: matrix multiplications, however XLA writes them."""

import math
import re
from collections.abc import Sequence

from launch.tpu_dryrun.hlo import Array, Instruction


def flops(one: Instruction, operands: Sequence[Array]) -> float:
    """Multiplications and additions of a matrix multiplication or convolution; 0 of all else.

    A custom kernel counts with what it states itself.

    Args:
        one: the operation.
        operands: the types of what it takes.
    """
    if one.opcode == "dot":
        return _dot(one, operands)
    if one.opcode == "convolution":
        return _convolution(one, operands)
    if one.opcode == "custom-call":
        stated = re.search(r'"flops":"?(\d+)', one.text)
        return float(stated[1]) if stated else 0.0
    return 0.0


def _dot(one: Instruction, operands: Sequence[Array]) -> float:
    found = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", one.text)
    axes = [int(n) for n in found[1].split(",") if n] if found else []
    return 2.0 * one.arrays[0].size * math.prod(operands[0].shape[axis] for axis in axes)


def _convolution(one: Instruction, operands: Sequence[Array]) -> float:
    """2 for each product of an output's element with a kernel's that lies inside the input."""
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", one.text)
    if labels is None:
        return 0.0
    of_input, of_kernel, of_output = labels.groups()
    data, kernel, result = operands[0].shape, operands[1].shape, one.arrays[0].shape
    window = _window(one.text)
    pairs = 1
    for axis in (label for label in of_output if label.isdigit()):
        settings = {name: values[int(axis)] for name, values in window.items()}
        pairs *= valid_pairs(
            data[of_input.index(axis)],
            kernel[of_kernel.index(axis)],
            result[of_output.index(axis)],
            stride=int(settings.get("stride", 1)),
            pad=int(settings.get("pad", "0_0").split("_")[0]),
            data_dilation=int(settings.get("lhs_dilate", 1)),
            kernel_dilation=int(settings.get("rhs_dilate", 1)),
        )
    groups = re.search(r"batch_group_count=(\d+)", one.text)
    batch = data[of_input.index("b")] // (int(groups[1]) if groups else 1)
    return 2.0 * batch * result[of_output.index("f")] * kernel[of_kernel.index("i")] * pairs


def _window(text: str) -> dict[str, list[str]]:
    found = re.search(r"window=\{([^}]*)\}", text)
    fields = found[1].split() if found else []
    return {name: value.split("x") for name, _, value in (f.partition("=") for f in fields)}


def valid_pairs(
    data: int,
    kernel: int,
    result: int,
    *,
    stride: int,
    pad: int,
    data_dilation: int,
    kernel_dilation: int,
) -> int:
    """Places of a kernel's elements over all outputs, along one axis, that meet the input."""
    end = (data - 1) * data_dilation + 1
    count = 0
    for k in range(kernel):
        first = k * kernel_dilation - pad
        places = range(first, first + stride * result, stride)
        count += sum(0 <= at < end and at % data_dilation == 0 for at in places)
    return count
