"""Compiles the training step of an experiment for a TPU slice, without having one."""

import os
import re
from typing import Any, NamedTuple

import jax
from jax.experimental import topologies

from experiments.experiment import Experiment
from launch.tpu_dryrun import cost, hlo
from launch.tpu_dryrun.chips import Slice
from rnnjax import training
from rnnjax.engines.target import compiling_for
from rnnjax.errors import UserError

LIBTPU = {
    "TPU_SKIP_MDS_QUERY": "1",  # do not ask Google's metadata server what machine this is,
    "TPU_ACCELERATOR_TYPE": "v5litepod-1",  # nor complain that it is unknown
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # there is no TPU that two processes could fight for
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
}
TOO_LARGE = (
    r"Used ([\d.]+)([BKMGT]) of ([\d.]+)([BKMGT]) hbm",
    r"\(([\d.]+)([BKMGT])\) exceeds available HBM \(([\d.]+)([BKMGT])\)",
)
"""The compiler's messages for a program that it has laid out, and for one that it gave up."""

UNITS = {"B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class DoesNotFit(Exception):
    """The program needs more memory than the chip has.

    Attributes:
        needed: bytes, by the compiler's account; at least.
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
        """All of it, at most: the compiler may let some of it go before the rest is needed."""
        return sum(self)


class Compiled(NamedTuple):
    """A compiled training step: what it takes of each chip, and what each chip does in it."""

    task: training.Task
    memory: Memory
    cost: cost.Cost


def compile_step(
    experiment: Experiment, config: Any, target: Slice, mesh: str | None = None
) -> Compiled:
    """Compiles an experiment's training step for a slice.

    The mesh is its chips by axis, as `--mesh` of the experiment; None: all share out the rows.

    Raises:
        DoesNotFit: there is too little memory.
        UserError: libtpu is missing, or the mesh does not divide the chips or the rows.
    """
    devices = _devices(target)
    text = mesh or f"data:{target.num_chips}"
    laid_out = training.make_mesh(text, config.batch_size, devices)
    if laid_out.size != target.num_chips:
        raise UserError(
            f"--mesh={text} is for {laid_out.size} chips; {target.name} has {len(devices)}"
        )
    placement = training.Placement(laid_out, config.batch_size)
    task = experiment.abstract_task(config)
    with compiling_for("tpu"):
        step, new_state = training.make_training(config, task.loss_fn, placement)
        state = jax.eval_shape(new_state, task.params, task.carry)
        lowered = step.lower(  # type: ignore[attr-defined]  # it is jitted
            placement.shapes_of_state(state),
            placement.shapes_of_batch(task.batch, task.time_major),
        )
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        raise _too_large(error) or error from None
    sizes = compiled.memory_analysis()
    memory = Memory(
        sizes.argument_size_in_bytes,
        sizes.output_size_in_bytes - sizes.alias_size_in_bytes,
        sizes.temp_size_in_bytes,
        sizes.generated_code_size_in_bytes,
    )
    return Compiled(task, memory, cost.cost(hlo.parse(compiled.as_text()), target.num_chips))


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


def _too_large(error: Exception) -> DoesNotFit | None:
    for pattern in TOO_LARGE:
        if found := re.search(pattern, str(error)):
            return DoesNotFit(float(found[1]) * UNITS[found[2]], float(found[3]) * UNITS[found[4]])
    return None
