"""Whether what a training keeps fits into the memory of this machine."""

import os
from pathlib import Path
from typing import Any

import jax

from rnnjax.errors import UserError
from rnnjax.training.atomic_files import format_size

LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Holds the bytes that a container may take, or a word."""


def check_memory(state: Any, params: Any) -> None:
    """Raises UserError if a machine without accelerator has too little memory for a training.

    Linux would end the process without a word. Counted are the state, in shapes, and the gradient,
    as large as the parameters.
    """
    needed = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves((state, params)))
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if LIMIT.is_file() and (limit := LIMIT.read_text().strip()).isdecimal():
        there = min(there, int(limit))
    if needed > there:
        raise UserError(
            f"too little memory on this machine: parameters, gradient and the state of the "
            f"optimizer take {format_size(needed)}, and there are {format_size(there)}. Lower the "
            "sizes of the network, such as --config.hidden_size"
        )
