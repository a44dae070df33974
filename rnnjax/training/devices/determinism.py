"""The same bits in every run, on GPUs too."""

import os

_FLAG = "--xla_gpu_deterministic_ops"


def make_gpus_deterministic() -> None:
    """Has XLA compile for GPUs only what gives the same bits in every run.

    By default it takes whichever algorithm is fastest at that moment, and lets threads add up in
    the order in which they come; then a run that was resumed is not the run that nothing
    interrupted. An `XLA_FLAGS` that sets ``--xla_gpu_deterministic_ops`` either way is left as it
    is. To be called before anything is computed; programs for other devices are the same bits
    anyway.
    """
    given = os.environ.get("XLA_FLAGS", "")
    if _FLAG not in given:
        os.environ["XLA_FLAGS"] = f"{given} {_FLAG}=true".strip()
