"""How a training run starts: afresh, where it was stopped, or from what another run learned."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import jax

from experiments import cli
from rnnjax import training


class Start(NamedTuple):
    """The start of a training run.

    Attributes:
        workdir: where it goes on, or begins.
        resuming: whether there are checkpoints to go on from; `training.fit` reads them.
        restore_from: a folder of another run, whose parameters this one starts from; None: there
            is none, or this run goes on from its own.
    """

    workdir: training.Workdir
    resuming: bool
    restore_from: str | None

    @property
    def source(self) -> str | Path | None:
        """The folder whose stored vocabulary fits the parameters; None: they are fresh."""
        return self.workdir.path if self.resuming else self.restore_from

    def initial(self, params: Any) -> Any:
        """Says how large a model is.

        Args:
            params: its fresh parameters.

        Returns:
            Those to start from: the same, or those of the run to restore from.

        Raises:
            UserError: the other run's do not fit.
        """
        if self.restore_from:
            params = training.restore_params(self.restore_from, params)
        size = training.num_parameters(params)
        training.say(f"{size:,} parameters on {jax.devices()[0].device_kind}.")
        return params


def begin(run: cli.Run, name: str) -> Start:
    """Opens the workdir of a run in mode train.

    Args:
        run: what the command line asks for.
        name: of the experiment.

    Returns:
        Where the run starts.

    Raises:
        UserError: see `training.open_workdir`.
    """
    workdir = training.open_workdir(
        run.workdir,
        name=name,
        config=dataclasses.asdict(run.config),
        may_change=training.MAY_CHANGE,
    )
    resuming = workdir.checkpoints().newest() is not None
    if resuming and run.restore_from:
        training.say(f"{run.workdir} has its own checkpoints: --restore_from is left aside.")
    return Start(workdir, resuming, None if resuming else run.restore_from)
