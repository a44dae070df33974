"""Compiles an experiment's training step for a TPU slice, and reports what it will take.

    python -m launch.tpu_dryrun --experiment=char_lm --preset=large --topology=v5e:4x4
    python -m launch.tpu_dryrun ... --price_per_chip_hour=1.2       what the training would cost
    python -m launch.tpu_dryrun ... --sweep                         the largest batch that fits

It needs no TPU, only its compiler (pip install 'rnnjax[tpu]'), and takes all other flags that the
experiment takes. Memory is what the compiler allocates. Times are rooflines: no run is faster, and
recurrent networks with few rows a chip are slower, for each time step must wait for the one before.
"""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from experiments.experiment import Experiment
from launch import command
from launch.tpu_dryrun import chips, report
from launch.tpu_dryrun.compilation import DoesNotFit, compile_step
from rnnjax.errors import UserError


def dryrun(argv: Sequence[str]) -> int:
    """Does what the command line asks for; returns 0 if the step fits, otherwise 1."""
    given, rest = _parser().parse_known_args(argv)
    price = given.price_per_chip_hour
    if price is not None and not price >= 0:
        raise UserError(f"--price_per_chip_hour is 0 or more; got {price}")
    target = chips.find_slice(given.topology)
    experiment = command.experiment(given.experiment)
    config = experiment.parse(rest).config
    print(f"{given.experiment}, batch_size {config.batch_size}, on {target.name}, "
          f"{target.num_chips} chips.", flush=True)  # fmt: skip
    if given.sweep:
        config = largest_batch(experiment, config, target, given.mesh)
    try:
        compiled = compile_step(experiment, config, target, given.mesh)
    except DoesNotFit as fault:
        print(report.advise(fault, config, target))
        return 1
    print(report.describe(compiled, config, target, price))
    return 0


def largest_batch(
    experiment: Experiment, config: Any, target: chips.Slice, mesh: str | None
) -> Any:
    """The config with the largest batch that fits, doubled from a row a chip on; prints attempts.

    Where not even a row a chip fits, the config has this batch.
    """
    rows = 1
    while True:
        tried = dataclasses.replace(config, batch_size=rows * target.num_chips)
        try:
            taken = compile_step(experiment, tried, target, mesh).memory.total / chips.GIB
        except DoesNotFit as fault:
            print(f"  batch_size {tried.batch_size:>8}: {fault.needed / chips.GIB:.3f} GiB a chip")
            rows = max(rows // 2, 1)
            print(f"The largest that fits: --config.batch_size={rows * target.num_chips}")
            return dataclasses.replace(config, batch_size=rows * target.num_chips)
        print(f"  batch_size {tried.batch_size:>8}: {taken:8.3f} GiB a chip")
        rows *= 2


def _parser() -> command.Parser:
    parser = command.Parser("launch.tpu_dryrun", __doc__ or "")
    parser.add_argument("--experiment", required=True, help="which one")
    parser.add_argument("--topology", required=True, help="such as v5e:4x4, or v5e-16")
    parser.add_argument("--mesh", help="as of the experiment; default: all chips over data")
    parser.add_argument("--price_per_chip_hour", type=float, help="in any currency")
    parser.add_argument(
        "--sweep", action="store_true", help="double the batch until it does not fit"
    )
    return parser


if __name__ == "__main__":
    command.guarded(dryrun, None)
