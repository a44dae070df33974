"""The driver: the order of a run, whatever its task. An experiment hands over what is its own."""

import contextlib
import dataclasses
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from absl import logging
from flax import nnx

from experiments import cli
from experiments.export import export
from experiments.run import ModeOptions, Run, SharedFlags, Trained, join, steps_to_trace
from rnnjax import data, training
from rnnjax.errors import UserError
from rnnjax.models.network import Network
from rnnjax.training import Measures

__all__ = ["Experiment", "Measures", "ModeOptions", "Preset", "Run", "Trained"]

HELP_FLAGS = {"--help", "-help", "-h", "--helpfull", "--helpshort"}
QUICK = 100


class Preset(NamedTuple):
    """A `training.TrainingConfig` with a name, and what it is for, in a line."""

    about: str
    config: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """A task that can be trained, evaluated and used from the command line.

    Attributes:
        name: of its file; the default workdir is `runs/NAME`.
        summary: what it does, its default data, time and score, in a line of the source.
        title: of the report.
        about: what `--help` begins with.
        presets: by name, `default` among them; `quick` is added, a short run of it, unless there is
            one.
        options: the task's own flags, fields made by `training.setting`.
        prepare: `(run) -> data.prepared.Prepared`, or an object with its `batches`, `description`
            and `digest`, and further what the other functions read. `run.vocabulary()` is the
            vocabulary of the run that is resumed or restored from.
        model: `(config, prepared) -> Network`, with fresh parameters.
        loss: `(config, prepared) -> loss`, where `loss(model, batch, key)` is a `training.Loss`, or
            with `carry` `loss(model, batch, key, carry)`; see `training.LossFn`.
        splits: `(run, model) -> {name: examples}`, what `report_scores` scores in mode evaluate.
        report_scores: `(model, splits, split, folder) -> (text, sections)` of a trained model: the
            scores of a split, for the terminal and the report; files go into the folder.
        report: `(trained) -> (results, sections)`: the final numbers by name, the one that matters
            most first, and what the page shows besides curves and config. Default: the metric that
            decides, and what `report_scores` says of the held-out splits.
        modes: `(run) -> None` by name, besides train; `export` is added, and where there is
            `report_scores`, `evaluate`.
        fresh_modes: those of them that start from a preset, as train does, and need no trained run.
        measures: `(config) -> Measures`.
        scores: `(config, prepared, model) -> {name: number}`, of the validation split at each
            evaluation, besides the loss of the batches `prepared.validation` or with a loss of
            their own; None: the loss is all.
        sample: `(config, prepared, model) -> text` that the model writes at an evaluation, for the
            report.
        carry: `(config, model) -> carry` of all rows of a batch before the first update.
        vocabulary: class of `prepared.vocabulary`, with `to_json` and `from_json`; None: there is
            no vocabulary.
        vocabulary_field: a field that config and vocabulary must agree on; empty: none.
        stored: `(prepared, model) -> {name: text}`: what checkpoints hold besides the digest of the
            data, `corpus`. A run whose `corpus` differs is not resumed.
        shapes: `(config) -> prepared` without data: what `model` and `loss` read, and besides
            `batch`, the largest one in shapes, `units`, what it holds of what the loss counts, and
            `time_major`, see `data.prepared.Shapes`; None: the data are read.
    """

    name: str
    summary: str
    title: str
    about: str | None
    presets: Mapping[str, Preset]
    options: ModeOptions
    prepare: Callable[[Run], Any]
    model: Callable[[Any, Any], Network]
    loss: Callable[[Any, Any], Callable[..., training.Loss]]
    splits: Callable[[Run, Any], Mapping[str, Any]] = lambda run, model: {}
    report_scores: Any = None
    report: Callable[[Trained], tuple[dict[str, Any], list[training.Section]]] = Trained.report
    modes: Mapping[str, Callable[[Run], None]]
    fresh_modes: tuple[str, ...] = ()
    measures: Callable[[Any], Measures]
    scores: Callable[[Any, Any, Any], dict[str, float]] | None = None
    sample: Callable[[Any, Any, Any], str] | None = None
    carry: Callable[[Any, Any], Any] = lambda config, model: None
    vocabulary: Any = None
    vocabulary_field: str = ""
    stored: Callable[[Any, Any], dict[str, str]] = lambda prepared, model: {}
    shapes: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        default = self.presets["default"].config
        short = default.of_length(min(default.num_steps // 20, QUICK))
        if hasattr(short, "num_buckets"):  # most of a short run is compilation, of each length
            short = dataclasses.replace(short, num_buckets=1)
        quick = Preset("The default with few updates: to see that all works.", short)
        object.__setattr__(self, "presets", {"quick": quick} | dict(self.presets))
        evaluate = {"evaluate": Run.evaluate} if self.report_scores else {}
        object.__setattr__(self, "modes", {**evaluate, **self.modes, "export": export})

    def main(self, argv: Sequence[str] | None = None) -> None:
        """Runs a command line without its program, by default that of this process.

        See `cli.plain_errors` for how it ends.
        """
        argv = sys.argv[1:] if argv is None else list(argv)
        logging.set_verbosity(logging.WARNING)
        if HELP_FLAGS & set(argv):
            with cli.plain_errors():
                print(self.help())
            return
        training.make_gpus_deterministic()
        with cli.plain_errors():
            run = self.parse(argv)
            if run.shared.mode == "train":
                self.train(run._replace(placement=join(run)))
            else:
                with naming_the_data(run):
                    self.modes[run.shared.mode](run)
            training.processes.leave()

    def parse(self, argv: Sequence[str]) -> Run:
        """Parses a command line without its program, and checks it as far as can be before it runs.

        Raises:
            UserError: a flag, a name or a value cannot be used.
        """
        config_class = type(self.presets["default"].config)
        groups = SharedFlags, type(self.options), config_class
        flags, options, fields = cli.parse_fields([self.name, *argv], *groups)
        shared, given = SharedFlags(**flags), dataclasses.replace(self.options, **options)
        shared.validate()
        given.validate()
        modes = ["train", *self.modes]
        mode = training.chosen("mode", shared.mode, modes)
        starting = {"preset"} if mode in self.fresh_modes else set()
        cli.check_modes({*flags, *options} - starting, mode, modes, config_class, *groups[:2])
        preset = self.presets[training.chosen("preset", shared.preset, self.presets)]
        workdir = Path(shared.workdir or f"runs/{self.name}")
        training.check_owner(workdir, self.name)
        if mode in ("train", *self.fresh_modes):
            config: Any = preset.config.with_settings(**fields)
            source: str | Path | None = shared.restore_from
        else:
            trained, _ = training.read_run(workdir, config_class)
            config, source = dataclasses.replace(trained, **fields), workdir
            self.check_vocabulary_field(workdir, trained, config)
        config.validate()
        run = Run(self, config, given, workdir, source, shared=shared)
        steps_to_trace(run)
        return run

    def help(self) -> str:
        """The text of `--help`."""
        default = self.presets["default"].config
        return "\n\n".join([
            (self.about or "").strip(),
            f"Modes (--mode=NAME): {', '.join(['train', *self.modes])}.\n"
            "    --mode=export  writes the trained network into WORKDIR/export: weights, programs.",
            "Flags:",
            cli.describe_fields(SharedFlags(), modes=["train"]),
            f"Flags of {self.name}:",
            cli.describe_fields(self.options, modes=[*self.modes]),
            "Presets (--preset=NAME):",
            cli.describe({name: preset.about for name, preset in self.presets.items()}),
            "Config; the defaults are those of the preset `default`.",
            *(
                f"{heading}:\n" + cli.describe_fields(default, fields)
                for heading, fields in training.by_heading(type(default)).items()
            ),
        ])  # fmt: skip

    def train(self, run: Run) -> None:
        """Trains, or goes on training, and writes the report."""
        config, (workdir, run) = run.config, self._open(run)
        if run.source and not run.resuming and getattr(config, "vectors", None):
            raise UserError(
                "--config.vectors would be overwritten by --restore_from: give one of them"
            )
        prepared = self.prepare(run)
        if jax.default_backend() == "cpu":  # Accelerators say themselves what they lack.
            self._check_memory(config, prepared)
        model = self.model(config, prepared)
        graph, params = nnx.split(model, nnx.Param)
        extra = {"corpus": prepared.digest} if prepared.digest else {}
        extra |= self.stored(prepared, model)
        if self.vocabulary is not None:
            extra = {"vocabulary": prepared.vocabulary.to_json(), **extra}
        training.check_agreement({"data": extra})
        if run.resuming and run.stored.get("corpus", extra.get("corpus")) != extra.get("corpus"):
            raise UserError(
                f"the data of {config.data} are not those that the run in {workdir.path} began "
                f"with: choose another workdir; --restore_from={workdir.path} keeps its parameters"
            )
        training.say(prepared.description)
        if run.source and not run.resuming:
            params = training.restore_params(run.source, params)
            kept = "parameters" if self.vocabulary is None else "vocabulary and parameters"
            training.say(f"Kept from {run.source}: {kept}.")
        size = training.num_parameters(params)
        training.say(f"{size:,} parameters on {jax.devices()[0].device_kind}.")

        measures = self.measures(config)
        if run.evaluates_training(prepared):
            measures = measures._replace(evaluated="training split")
        loss_fn = self.loss_fn(config, graph, prepared)
        carry = self.carry(config, model)
        eval_step = training.make_eval_step(loss_fn, run.placement)

        def of_model(function: Callable[[Any, Any, Any], Any]) -> Callable[[Any], Any]:
            whole = run.placement.gather
            return lambda params: function(config, prepared, nnx.merge(graph, whole(params)))

        def evaluate(params: Any) -> dict[str, float]:
            found = of_model(self.scores)(params) if self.scores else {}
            if "loss" in found:
                return found
            batches = prepared.validation
            return training.evaluate(eval_step, params, carry, batches, run.placement) | found

        step, new_state = training.make_training(config, loss_fn, run.placement)
        result = training.train(
            step,
            new_state(params, carry),
            data.BatchIterator(prepared.batches, run.placement.rows, workers=config.data_workers),
            config=config,
            workdir=workdir._replace(extra=extra),
            evaluate=evaluate,
            sample=of_model(self.sample) if self.sample else None,
            placement=run.placement,
            profile=steps_to_trace(run),
            measures=measures,
        )

        def report() -> None:
            best = result.best_so_far.best_score
            best = math.nan if best is None else -best if measures.higher_is_better else best
            model = nnx.merge(graph, training.evaluation_params(result.state))
            trained = Trained(run._replace(source=workdir.path), prepared, model, best)
            results, sections = self.report(trained)
            if result.data_wait is not None:
                training.say(f"Waiting for data: {result.data_wait:.1%} of the time, at most.")
            path = training.write_report(
                workdir.path,
                title=self.title,
                config=workdir.config,
                results={**results, "parameters": size, "updates": result.step},
                sections=[
                    *sections,
                    training.Section("Data", text=prepared.description),
                    training.Section("Model", table=model.summary()),
                ],
                measures=measures,
            )
            training.tell(f"Report: {path}")

        training.processes.from_first(report)

    def abstract_task(self, config: Any) -> training.Task:
        """The inputs of `train` as shapes."""
        if self.shapes is not None:
            prepared = self.shapes(config)
            largest, time_major = prepared.batch, prepared.time_major
        else:
            prepared = self.prepare(Run(self, config, self.options, Path(f"runs/{self.name}")))
            epoch = (prepared.batches[n] for n in range(prepared.batches.batches_per_epoch))
            largest = max(epoch, key=lambda batch: sum(x.size for x in batch.values()))
            time_major = prepared.batches.time_major
        model = nnx.eval_shape(lambda: self.model(config, prepared))
        graph, params = nnx.split(model, nnx.Param)
        loss_fn = self.loss_fn(config, graph, prepared)
        carry = jax.eval_shape(lambda p: self.carry(config, nnx.merge(graph, p)), params)

        def count(batch: Any) -> jax.Array:  # XLA leaves out all the rest of the loss
            some = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), (params, carry))
            return loss_fn(some[0], some[1], batch, None).count

        return training.Task(
            loss_fn,
            params,
            carry=carry,
            batch=jax.eval_shape(lambda: largest),
            time_major=time_major,
            units=prepared.units if self.shapes else int(jax.jit(count)(largest)),
            unit=self.measures(config).counted,
        )

    def loss_fn(self, config: Any, graph: nnx.GraphDef, prepared: Any) -> training.LossFn:
        """The loss as training knows it, for the graph of the model."""
        return training.loss_of_params(graph, self.loss(config, prepared))

    def _check_memory(self, config: Any, prepared: Any) -> None:
        graph, params = nnx.split(nnx.eval_shape(lambda: self.model(config, prepared)), nnx.Param)
        _, new_state = training.make_training(config, self.loss_fn(config, graph, prepared))
        training.check_memory(jax.eval_shape(new_state, params, None), params)

    def check_vocabulary_field(self, source: str | Path, trained: Any, config: Any) -> None:
        """Raises UserError unless a config agrees with that, or the vocabulary, of a source."""
        if name := self.vocabulary_field:
            found, given = getattr(trained, name), getattr(config, name)
            if found != given:
                raise UserError(f"{source} was trained with --config.{name}={found}, not {given}")

    def _open(self, run: Run) -> tuple[training.Workdir, Run]:
        """The workdir of a training, and the run with the source that it goes on from."""
        workdir = training.open_workdir(
            run.workdir,
            name=self.name,
            config=dataclasses.asdict(run.config),
            may_change=(*training.MAY_CHANGE, *run.config.phases),
            defaults=dataclasses.asdict(type(run.config)()),
        )
        if workdir.checkpoints().newest() is None:
            return workdir, run
        if run.source:
            training.say(f"{run.workdir} has its own checkpoints: --restore_from is ignored.")
        return workdir, run._replace(source=workdir.path, resuming=True)


@contextlib.contextmanager
def naming_the_data(run: Run) -> Iterator[None]:
    """An error about the data of the trained run says whose path it is; a flag gives another."""
    try:
        yield
    except UserError as error:
        data_of_run = run.source and training.read_meta(run.source).config.get("data")
        is_told = data_of_run and data_of_run in str(error) and "--config.data" not in str(error)
        if not is_told or data_of_run != run.config.data:
            raise
        raise UserError(
            f"{error} ({data_of_run} is what the run in {run.workdir} was trained on, as seen from "
            "there; --config.data=PATH gives another path)"
        ) from error
