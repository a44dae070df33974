"""Weights from and to other libraries: PyTorch, flax, Keras and haiku; files in safetensors."""

from rnnjax.interchange.files import read_safetensors, write_safetensors
from rnnjax.interchange.flax import from_linen, from_nnx, to_linen, to_nnx
from rnnjax.interchange.haiku import from_haiku, to_haiku
from rnnjax.interchange.keras import from_keras, to_keras
from rnnjax.interchange.torch import from_torch, to_torch

__all__ = [
    "from_haiku", "from_keras", "from_linen", "from_nnx", "from_torch", "read_safetensors",
    "to_haiku", "to_keras", "to_linen", "to_nnx", "to_torch", "write_safetensors",
]  # fmt: skip
