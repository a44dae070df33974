"""Stores what torch.nn computes, in float64, for test_torch.py: `python make_torch.py`.

Each `torch_CASE.npz` holds the inputs, the weights under torch's own names, the outputs, and the
gradients of `sum(ys * cotangent_ys) + sum(final * cotangent_final)` with respect to all of them.
"""

from pathlib import Path

import numpy as np
import torch

T, B, D, H, P = 5, 3, 3, 4, 2
LENGTHS = (5, 3, 1)

CASES = {
    "rnn_tanh": (torch.nn.RNN, {}),
    "rnn_relu": (torch.nn.RNN, {"nonlinearity": "relu"}),
    "rnn_two_layers": (torch.nn.RNN, {"num_layers": 2}),
    "gru": (torch.nn.GRU, {}),
    "gru_two_layers": (torch.nn.GRU, {"num_layers": 2}),
    "gru_bidirectional": (torch.nn.GRU, {"bidirectional": True}),
    "lstm": (torch.nn.LSTM, {}),
    "lstm_projection": (torch.nn.LSTM, {"proj_size": P}),
    "lstm_two_layers": (torch.nn.LSTM, {"num_layers": 2}),
    "lstm_bidirectional": (torch.nn.LSTM, {"bidirectional": True}),
    "lstm_bidirectional_two_layers": (torch.nn.LSTM, {"bidirectional": True, "num_layers": 2}),
    "lstm_bidirectional_ragged": (torch.nn.LSTM, {"bidirectional": True}),
}


def arrays(name: str) -> dict[str, torch.Tensor]:
    """Runs one case and returns everything about it."""
    layer, options = CASES[name]
    generator = torch.Generator().manual_seed(sum(map(ord, name)))

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    module = layer(D, H, dtype=torch.float64, **options)
    for parameter in module.parameters():
        parameter.data = 0.5 * normal(*parameter.shape)
    num_rows = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    xs = normal(T, B, D).requires_grad_()
    starts = {"h_0": normal(num_rows, B, options.get("proj_size", H)).requires_grad_()}
    if layer is torch.nn.LSTM:
        starts["c_0"] = normal(num_rows, B, H).requires_grad_()

    inputs = xs
    if name.endswith("ragged"):
        inputs = torch.nn.utils.rnn.pack_padded_sequence(xs, torch.tensor(LENGTHS))
    if layer is torch.nn.LSTM:
        ys, (h_n, c_n) = module(inputs, (starts["h_0"], starts["c_0"]))
        ends = {"h_n": h_n, "c_n": c_n}
    else:
        ys, h_n = module(inputs, starts["h_0"])
        ends = {"h_n": h_n}
    if name.endswith("ragged"):
        ys, _ = torch.nn.utils.rnn.pad_packed_sequence(ys)
    outputs = {"ys": ys, **ends}
    cotangents = {f"cotangent_{key}": normal(*value.shape) for key, value in outputs.items()}
    loss = sum((outputs[key] * cotangents[f"cotangent_{key}"]).sum() for key in outputs)
    loss.backward()

    leaves = {"xs": xs, **starts, **dict(module.named_parameters())}
    gradients = {f"gradient_{key}": leaf.grad for key, leaf in leaves.items()}
    return {**leaves, **outputs, **cotangents, **gradients}


if __name__ == "__main__":
    for case in CASES:
        path = Path(__file__).parent / f"torch_{case}.npz"
        stored = {key: value.detach().numpy() for key, value in arrays(case).items()}
        np.savez_compressed(path, **stored)
