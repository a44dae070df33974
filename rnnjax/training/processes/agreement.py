"""Checks that all processes of a run are about to do the same."""

import hashlib
import importlib.metadata
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jax.experimental import multihost_utils

from rnnjax.errors import UserError
from rnnjax.training.processes import group

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def check_agreement(facts: Mapping[str, Any]) -> None:
    """Compares facts by their hashes; all processes must call it, with the same names.

    Args:
        facts: JSON-able, by what they are called in the message.

    Raises:
        UserError: in all processes, if two of them differ in a fact.
    """
    if group.count() == 1:
        return
    texts = [json.dumps(fact, sort_keys=True, default=str) for fact in facts.values()]
    mine = np.stack([np.frombuffer(_sha256(text.encode()), np.uint8) for text in texts])
    gathered = multihost_utils.process_allgather(mine)  # [processes, facts, bytes]
    differences = []
    for name, rows in zip(facts, gathered.swapaxes(0, 1), strict=True):
        holders: dict[str, list[str]] = defaultdict(list)
        for process, row in enumerate(rows):
            holders[bytes(row).hex()[:8]].append(str(process))
        if len(holders) > 1:
            groups = "; ".join(
                f"process{'es' * (len(who) > 1)} {', '.join(who)}: {digest}"
                for digest, who in holders.items()
            )
            differences.append(f"  {name}: {groups}")
    if differences:
        raise UserError(
            "\n".join(["The processes of this run do not agree, by hash:", *differences])
            + "\nStart all of them with the same command and the same installation."
        )


def code_version(*folders: Path) -> dict[str, str]:
    """What decides how the code behaves: the sources below some folders, and the libraries."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(_sha256(path.read_bytes()))
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"sources": digest.hexdigest(), **versions}


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
