"""The training step of an experiment, compiled for a TPU slice that is not there."""

import os
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from launch.tpu_dryrun import cost, hlo
from launch.tpu_dryrun.chips import Slice
from rnnjax import training
from rnnjax.engines.target import compiling_for
from rnnjax.errors import UserError

LIBTPU = {
    "TPU_SKIP_MDS_QUERY": "1",  # do not ask Google's metadata server what machine this is,
    "TPU_ACCELERATOR_TYPE": "v5litepod-1",  # nor complain that nobody has said so
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # there is no TPU that two processes could fight for
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
}
UNITS = {"B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class DoesNotFit(Exception):
    """The program needs more memory than the chip has.

    Attributes:
        needed: bytes, by the compiler's account.
        available: bytes that a program may use, by the compiler's account.
    """

    def __init__(self, needed: float, available: float):
        super().__init__(f"{needed:.0f} of {available:.0f} bytes")
        self.needed, self.available = needed, available


class Memory(NamedTuple):
    """Bytes of one chip's main memory.

    Attributes:
        arguments: parameters, optimizer state, carry and batch.
        outputs: what is not written over an argument.
        temporaries: activations and scratch space.
        code: of the program.
    """

    arguments: int
    outputs: int
    temporaries: int
    code: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


class Compiled(NamedTuple):
    """A training step for a slice.

    Attributes:
        task: what it trains.
        memory: that it takes on each chip.
        cost: what each chip does in one step.
    """

    task: training.Task
    memory: Memory
    cost: cost.Cost


def compile_step(module: ModuleType, config: Any, target: Slice) -> Compiled:
    """Compiles an experiment's training step.

    Args:
        module: of the experiment; its `abstract_task` tells what is trained.
        config: of the experiment.
        target: the slice; its chips share out the rows of a batch.

    Raises:
        DoesNotFit: there is too little memory.
        UserError: libtpu is missing, or the rows cannot be shared out.
    """
    devices = _devices(target)
    mesh = Mesh(np.asarray(devices), ("data",))
    with compiling_for("tpu"):
        task = module.abstract_task(config)
        step, new_state = training.make_training(config, task.loss_fn)
        state = jax.eval_shape(new_state, task.params, task.carry)
        state, batch = _placed(state, task.batch, mesh, config.batch_size)
        lowered = step.lower(state, batch)
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        raise _too_large(error) or error from None
    program = hlo.parse(compiled.as_text())
    return Compiled(task, _memory(compiled), cost.cost(program, target.num_chips))


def _devices(target: Slice) -> list:
    for name, value in LIBTPU.items():
        os.environ.setdefault(name, value)
    bounds = [min(n, 2) for n in target.bounds] + [1] * (3 - len(target.bounds))
    try:
        described = topologies.get_topology_desc(
            f"{target.chip.compiler_name}:{target.shape}",
            platform="tpu",
            chips_per_host_bounds=tuple(bounds),
        )
    except (RuntimeError, ImportError, NotImplementedError, ValueError) as error:
        raise UserError(
            f"libtpu cannot compile for {target.name} here: {error}\n"
            "It comes with: pip install 'rnnjax[tpu]'"
        ) from None
    return list(described.devices)


def _placed(state: training.TrainState, batch: Any, mesh: Mesh, batch_size: int) -> tuple:
    """Shapes with their places: rows shared out, all else on every chip."""
    if batch_size % mesh.size:
        near = -(-batch_size // mesh.size) * mesh.size
        raise UserError(
            f"--config.batch_size={batch_size} cannot be shared out to {mesh.size} chips: "
            f"take a multiple of {mesh.size}, such as {near}"
        )

    def placed(tree: Any, spec: Callable[[Any], PartitionSpec]) -> Any:
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=NamedSharding(mesh, spec(x))),
            tree,
        )

    everywhere = placed(state, lambda x: PartitionSpec())
    carry = placed(state.carry, lambda x: PartitionSpec("data"))
    rows = placed(batch, lambda x: PartitionSpec(*[None] * (x.ndim > 1), "data"))
    return everywhere._replace(carry=carry), rows


def _memory(compiled: Any) -> Memory:
    found = compiled.memory_analysis()
    return Memory(
        found.argument_size_in_bytes,
        found.output_size_in_bytes - found.alias_size_in_bytes,
        found.temp_size_in_bytes,
        found.generated_code_size_in_bytes,
    )


def _too_large(error: Exception) -> DoesNotFit | None:
    found = re.search(r"Used ([\d.]+)([BKMGT]) of ([\d.]+)([BKMGT]) hbm", str(error))
    if found is None:
        return None
    return DoesNotFit(float(found[1]) * UNITS[found[2]], float(found[3]) * UNITS[found[4]])
