"""How a training run starts: afresh, where it was stopped, or from what another run learned."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
from flax import nnx

from experiments import cli
from rnnjax import training
from rnnjax.errors import UserError

Vocabulary = TypeVar("Vocabulary")
Model = TypeVar("Model", bound=nnx.Module)


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

    def check_corpus(self, digest: str, what: str) -> None:
        """Raises UserError if the run began with another corpus than it would go on with.

        Args:
            digest: of the corpus; `training.fit` stores it as `extra["corpus"]`.
            what: how a message calls the corpus, in the plural.
        """
        path = self.workdir.path
        if self.resuming and training.read_meta(path).extra.get("corpus") != digest:
            raise UserError(
                f"{what} are not those that the run in {path} began with: choose another workdir; "
                f"--restore_from={path} keeps its parameters"
            )

    def initial(self, params: Any) -> Any:
        """Chooses the parameters to start from, and says how many numbers they are.

        Args:
            params: of the model, fresh.

        Returns:
            The same, or those of the run to restore from.

        Raises:
            UserError: the other run's do not fit.
        """
        if self.restore_from:
            params = training.restore_params(self.restore_from, params)
        size = training.num_parameters(params)
        training.say(f"{size:,} parameters on {jax.devices()[0].device_kind}.")
        return params

    def report(
        self,
        result: training.TrainResult,
        *,
        title: str,
        results: dict[str, Any],
        sections: list[training.Section],
        unit: str,
        metric: str = "loss",
    ) -> None:
        """Writes the report of the run that started here, and says where; see `write_report`.

        Args:
            result: how the run ended.
            title: of the page.
            results: the final numbers by name; those that every run has are added.
            sections: samples and whatever else there is to show.
            unit: what the loss counts.
            metric: which validation metric decides.
        """
        size = training.num_parameters(result.state.params)
        if result.data_wait is not None:
            training.say(f"Waiting for data: {result.data_wait:.1%} of the time, at most.")
        path = training.write_report(
            self.workdir.path,
            title=title,
            config=self.workdir.config,
            results={**results, "parameters": size, "updates": result.step},
            sections=sections,
            unit=unit,
            metric=metric,
        )
        training.say(f"Report: {path}")


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
        defaults=dataclasses.asdict(type(run.config)()),
    )
    resuming = workdir.checkpoints().newest() is not None
    if resuming and run.restore_from:
        training.say(f"{run.workdir} has its own checkpoints: --restore_from is left aside.")
    return Start(workdir, resuming, None if resuming else run.restore_from)


def stored_vocabulary(
    folder: str | Path, from_json: Callable[[str], Vocabulary], field: str, expected: str
) -> Vocabulary:
    """The vocabulary that a checkpoint was trained with.

    Args:
        folder: a workdir or a checkpoint.
        from_json: reads it.
        field: of the config, and of the vocabulary, that must be the same in both.
        expected: what it is in the config.

    Raises:
        UserError: it is something else in the vocabulary, or there is no checkpoint.
    """
    vocabulary = from_json(training.read_meta(folder).extra.get("vocabulary", ""))
    found = getattr(vocabulary, field)
    if found != expected:
        raise UserError(f"{folder} was trained with --config.{field}={found}, not {expected}")
    return vocabulary


def stored_model(folder: str | Path, make: Callable[[], Model]) -> Model:
    """The model of the best checkpoint of a run.

    Args:
        folder: the run's workdir.
        make: makes the model; of its parameters only the shapes are used, and none is drawn.

    Raises:
        UserError: there is no whole checkpoint, or it does not fit.
    """
    graph, shapes = nnx.split(nnx.eval_shape(make), nnx.Param)
    return nnx.merge(graph, training.restore_params(folder, shapes))
