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

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from launch import command
from launch.tpu_dryrun import chips, largest, report
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
        batch_size = largest.largest_batch(experiment, config, target, given.mesh)
        if batch_size is None:
            return 1
        config = dataclasses.replace(config, batch_size=batch_size)
        print(f"The largest that fits: --config.batch_size={batch_size}")
    try:
        compiled = compile_step(experiment, config, target, given.mesh)
    except DoesNotFit as fault:
        print(report.advise(fault, config, target))
        return 1
    print(report.describe(compiled, config, target, price))
    return 0


def _parser() -> command.Parser:
    parser = command.Parser(__doc__ or "")
    parser.add_argument("--experiment", required=True, help="which one")
    parser.add_argument("--topology", required=True, help="such as v5e:4x4, or v5e-16")
    parser.add_argument("--mesh", help="as of the experiment; default: all chips over data")
    parser.add_argument("--price_per_chip_hour", type=float, help="in any currency")
    parser.add_argument("--sweep", action="store_true", help="find the largest batch that fits")
    return parser


if __name__ == "__main__":
    command.guarded(dryrun, None)
