"""Shows how the gradient flows through time: one page, gradient_flow.html, for cells side by side.

    python -m experiments.gradient_flow                            fresh cells, three scales each
    python -m experiments.gradient_flow --cells=lstm,my_module:my_cell --scales=0.5,1.5
    python -m experiments.gradient_flow --workdir=runs/char_lm     the layers of trained runs

The page has the norm of the gradient against the distance in time, the singular values of the
Jacobian of a step and of products over many steps, what clipping does to the gradient of the
parameters, and how many steps each unit of a gated cell remembers. Fresh cells read random numbers,
and the recurrent matrix of each gate is scaled to a largest singular value. A trained network reads
the longest sequence of its first batch of training.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import jax
from absl import logging

from experiments import cli
from experiments.gradient_flow import page, sources
from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.training import setting
from rnnjax.training.config import Limits, Positive

Length = Annotated[int, Limits(sources.LEAST_LENGTH)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags(cli.Flags):
    """The flags of the command."""

    cells: str = setting("rnn,irnn,gru,lstm", "Fresh cells, with commas between them.")
    scales: str = setting("0.9,1.0,1.1", "Largest singular values of their recurrent matrices.")
    forget_biases: str = setting("0,1,3", "Of LSTMs that are drawn besides; empty: none.")
    hidden_size: Positive = setting(32, "H of fresh cells.")
    length: Length = setting(200, "T, steps to read; the gradient goes back half as far.")
    seed: int = setting(0, "Draws parameters, inputs and the readout.")
    workdir: tuple[str, ...] = setting(
        (), "A trained run, in place of fresh cells; may be given several times."
    )
    output: str = setting("runs/gradient_flow", "Folder of the page.")


def main(argv: list[str]) -> None:
    """Writes the page and prints its table."""
    logging.set_verbosity(logging.WARNING)
    if {"--help", "-h"} & set(argv):
        print(__doc__, "Flags:", cli.describe_fields(Flags()), sep="\n")
        return
    with cli.plain_errors():
        (given,) = cli.parse_fields(["gradient_flow", *argv], Flags)
        flags = Flags(**given)
        flags.validate()
        key_layers, key_readout = jax.random.split(jax.random.key(flags.seed))
        biases = {}
        if flags.workdir:
            if fresh := given.keys() & {"cells", "scales", "forget_biases", "hidden_size"}:
                raise UserError(f"--{min(fresh)} is for fresh cells: leave --workdir out")
            layers = sources.trained_layers(flags.workdir, flags.length)
        else:
            scales = sources.numbers("scales", flags.scales)
            size = flags.hidden_size, flags.length
            layers = sources.fresh_layers(flags.cells.split(","), scales, *size, key_layers)
            for bias in sources.numbers("forget_biases", flags.forget_biases):
                biases[f"b_f = {bias:g}"] = sources.forgetting_layer(bias, *size, key_layers)
        flows = {key: page.flow(layer, key_readout) for key, layer in layers.items()}
        forgetting = {key: page.flow(layer, key_readout) for key, layer in biases.items()}
        table, html = page.render(flows, forgetting, flags.workdir)
        folder = Path(flags.output)
        print(table)
        print(training.write_results(folder, {"gradient_flow.html": html}))


if __name__ == "__main__":
    main(sys.argv[1:])
