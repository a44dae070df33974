"""Stores what two layers of Hugging Face's transformers compute, for test_state_spaces.py.

`pip install torch transformers numpy; python make_state_spaces.py`. Each file holds the inputs
`xs [B, T, D]`, the weights under the names of transformers, and `ys [B, T, H]`, which is what the
layer gives to its last linear layer.
"""

from pathlib import Path

import numpy as np
import torch
from transformers import Mamba2Config, Qwen3NextConfig
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer
from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextGatedDeltaNet

LAYERS = {
    "mamba2": lambda: Mamba2Mixer(
        Mamba2Config(
            hidden_size=4, expand=2, num_heads=2, head_dim=4, state_size=3, n_groups=1,
            conv_kernel=4, chunk_size=4, num_hidden_layers=1,
        ),
        layer_idx=0,
    ),
    "gated_deltanet": lambda: Qwen3NextGatedDeltaNet(
        Qwen3NextConfig(
            hidden_size=4, linear_num_value_heads=2, linear_num_key_heads=2, rms_norm_eps=1e-5,
            linear_key_head_dim=4, linear_value_head_dim=4, linear_conv_kernel_dim=4,
            num_hidden_layers=1, layer_types=["linear_attention"],
        ),
        layer_idx=0,
    ),
}  # fmt: skip

for name, make in LAYERS.items():
    torch.manual_seed(0)
    layer = make().eval()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    seen = []
    layer.out_proj.register_forward_pre_hook(
        lambda module, inputs, seen=seen: seen.append(inputs[0])
    )
    xs = torch.randn(2, 9, 4)
    with torch.no_grad():
        layer(xs)
    weights = {key: value.numpy() for key, value in layer.state_dict().items()}
    path = Path(__file__).with_name(f"{name}.npz")
    np.savez(path, xs=xs.numpy(), ys=seen[0].numpy(), **weights)
    print(path, seen[0].shape, float(seen[0].abs().mean()))
