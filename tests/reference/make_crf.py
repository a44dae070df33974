"""Stores what pytorch-crf computes, in float64, for test_pytorch_crf.py: `python make_crf.py`.

`crf.npz` holds, for each case, the parameters, scores, tags and lengths, the log-likelihood of each
sequence, the best tags (-1 at padding), and the gradients of the log-likelihoods, weighted.
"""

from pathlib import Path

import numpy as np
import torch
import torchcrf

T, B, K = 7, 5, 4
LENGTHS = (7, 1, 4, 6, 2)

# Case: how far scores and parameters spread.
CASES = {"mild": 1.0, "sharp": 20.0}


def arrays(case: str) -> dict[str, torch.Tensor]:
    """Runs one case and returns everything about it."""
    generator = torch.Generator().manual_seed(sum(map(ord, case)))

    def normal(*shape):
        return CASES[case] * torch.randn(*shape, generator=generator, dtype=torch.float64)

    model = torchcrf.CRF(K)
    leaves = {
        "transitions": normal(K, K),
        "start": normal(K),
        "end": normal(K),
        "scores": normal(T, B, K).requires_grad_(),
    }
    model.transitions.data = leaves["transitions"]
    model.start_transitions.data = leaves["start"]
    model.end_transitions.data = leaves["end"]
    tags = torch.randint(K, (T, B), generator=generator)
    lengths = torch.tensor(LENGTHS)
    mask = torch.arange(T)[:, None] < lengths
    weights = normal(B)

    log_likelihood = model(leaves["scores"], tags, mask, reduction="none")
    (weights * log_likelihood).sum().backward()
    best = torch.full((T, B), -1)
    for row, path in enumerate(model.decode(leaves["scores"], mask)):
        best[: len(path), row] = torch.tensor(path)
    return {
        **leaves,
        "tags": tags,
        "lengths": lengths,
        "weights": weights,
        "log_likelihood": log_likelihood,
        "best": best,
        "gradient_transitions": model.transitions.grad,
        "gradient_start": model.start_transitions.grad,
        "gradient_end": model.end_transitions.grad,
        "gradient_scores": leaves["scores"].grad,
    }


if __name__ == "__main__":
    stored = {
        f"{case}_{name}": value.detach().numpy()
        for case in CASES
        for name, value in arrays(case).items()
    }
    np.savez_compressed(Path(__file__).parent / "crf.npz", **stored)
