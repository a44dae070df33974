"""The devices of a run, laid out in a mesh: `--mesh=data:8`, `--mesh=data:4,model:2`."""

import math
import os
from collections.abc import Sequence

import jax
from jax.sharding import AxisType, Mesh

from rnnjax.engines.rows import ROW_AXES
from rnnjax.errors import UserError, did_you_mean

AXES = (*ROW_AXES, "model")
"""data: rows of the batch; fsdp: rows, and parameters besides; model: gates and vocabulary."""


def parse_mesh(text: str) -> dict[str, int]:
    """Reads what `--mesh` says, such as 'data:16,model:4': devices by axis, in this order.

    Raises:
        UserError: it is written otherwise, or names an axis that there is not.
    """
    sizes: dict[str, int] = {}
    for part in text.split(","):
        name, _, size = part.strip().partition(":")
        if name not in AXES:
            raise UserError(f"unknown axis {name!r} in --mesh={text}; {did_you_mean(name, AXES)}")
        if name in sizes:
            raise UserError(f"--mesh={text} names the axis {name} twice")
        if not size.isdecimal() or int(size) < 1:
            raise UserError(
                f"--mesh is written AXIS:DEVICES, such as data:8 or data:16,model:4; got "
                f"{part.strip()!r} in --mesh={text}"
            )
        sizes[name] = int(size)
    return sizes


def make_mesh(text: str, batch_size: int, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Lays out the devices as `--mesh` says; a single process may use the first of its devices.

    Args:
        text: see `parse_mesh`.
        batch_size: B, rows of a batch over all devices.
        devices: those that there are, in this process or described; None: those of all processes.

    Raises:
        UserError: the mesh does not divide the devices or the rows.
    """
    sizes = parse_mesh(text)
    needed, devices = math.prod(sizes.values()), list(devices or jax.devices())
    shares = jax.process_count() == 1 and len(devices) % needed == 0
    if needed != len(devices) and not shares:
        held = f"{len(devices)} {devices[0].platform} device{'s' * (len(devices) > 1)}"
        if jax.process_count() > 1:
            held += f" in {jax.process_count()} processes, all of which take part"
        raise UserError(f"--mesh={text} is for {needed} devices; there are {held}")
    shards = math.prod(sizes.get(name, 1) for name in ROW_AXES)
    if batch_size % shards:
        near = [n * shards for n in (batch_size // shards, batch_size // shards + 1) if n]
        raise UserError(
            f"--mesh={text} divides the rows of a batch among {shards} devices, and "
            f"--config.batch_size={batch_size} is no multiple of {shards}: take "
            f"{' or '.join(map(str, near))}"
        )
    return jax.make_mesh(
        tuple(sizes.values()),
        tuple(sizes),
        axis_types=(AxisType.Auto,) * len(sizes),
        devices=devices[:needed],
    )


def make_gpus_deterministic() -> None:
    """Has XLA compile for GPUs only what gives the same bits in every run.

    By default it takes whichever algorithm is fastest at that moment, and lets threads add up in
    the order in which they come; then a run that was resumed is not the run that nothing
    interrupted. An `XLA_FLAGS` that sets ``--xla_gpu_deterministic_ops`` either way is left as it
    is. To be called before anything is computed; programs for other devices are the same bits
    anyway.
    """
    flag = "--xla_gpu_deterministic_ops"
    given = os.environ.get("XLA_FLAGS", "")
    if flag not in given:
        os.environ["XLA_FLAGS"] = f"{given} {flag}=true".strip()
