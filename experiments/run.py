"""One call of an experiment: its flags, its config, and what its workdir holds."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import rnnjax
from experiments.cli import Flags
from rnnjax import training
from rnnjax.data.named_splits import SPLITS
from rnnjax.errors import UserError
from rnnjax.training import atomic_files, setting

if TYPE_CHECKING:
    from experiments.experiment import Experiment


HELD_OUT = ("validation", "test")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SharedFlags(Flags):
    """The flags of every experiment."""

    workdir: str | None = setting(None, "Folder of one run. Default: runs/EXPERIMENT.")
    mode: str = setting("train", "What to do.")
    preset: str = setting("default", "the named config to start from.", modes="train")
    restore_from: str | None = setting(
        None, "a workdir or checkpoint whose parameters a new run starts from.", modes="train"
    )
    mesh: str | None = setting(
        None,
        "devices by axis, such as data:8 or data:16,model:4. data divides the rows of "
        "a batch, fsdp rows and parameters, model gates and vocabulary. Default: all devices over "
        "data, where they divide config.batch_size.",
        modes="train",
    )
    profile: str | None = setting(
        None,
        "FIRST:LAST, such as 100:110. These steps are traced into WORKDIR/profile, for "
        "XProf, TensorBoard and Perfetto, and the report tells which operations take longest.",
        modes="train",
    )
    coordinator: str | None = setting(
        None,
        "of several processes, HOST:PORT of process 0, or auto, as Cloud TPU and other "
        "clusters say. Under SLURM the tasks of a step find each other without it.",
        modes="train",
    )
    num_processes: int | None = setting(
        None, "how many processes there are, with --coordinator=HOST:PORT.", modes="train"
    )
    process_id: int | None = setting(
        None, "the number of this one, from 0, with --coordinator=HOST:PORT.", modes="train"
    )
    lost_after: int = setting(
        training.processes.HEARTBEAT_SECONDS,
        "seconds without a sign of life after which a process counts as lost and the others end.",
        modes="train",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModeOptions(Flags):
    """The flags of the single modes; an experiment inherits from this class and adds its own."""

    split: str = setting("test", "which split.", modes="evaluate inspect")


class Run(NamedTuple):
    """One call of an experiment.

    Attributes:
        config: preset and flags put together; in other modes than train, the checkpoint's config
            and the flags.
        source: folder of the parameters that the run uses or goes on from; None: it has none yet.
        resuming: mode train: whether the source is the workdir itself.
        placement: mode train: where to train.
    """

    experiment: "Experiment"
    config: Any
    options: Any
    workdir: Path
    source: str | Path | None = None
    resuming: bool = False
    shared: SharedFlags = SharedFlags()
    placement: training.Placement = training.LOCAL

    @property
    def stored(self) -> dict[str, str]:
        """The extra entries of the source's checkpoints; empty: no source."""
        return {} if self.source is None else training.read_meta(self.source).extra

    def vocabulary(self) -> Any:
        """The vocabulary that the source was trained with; None: no source.

        Raises:
            UserError: it does not fit the config, or there is no checkpoint.
        """
        if self.source is None or self.experiment.vocabulary is None:
            return None
        text = self.stored.get("vocabulary", "")
        try:
            vocabulary = self.experiment.vocabulary.from_json(text)
        except UserError as error:
            name = self.experiment.name
            raise UserError(f"{self.source} has no vocabulary of {name}: {error}") from error
        self.experiment.check_vocabulary_field(self.source, vocabulary, self.config)
        return vocabulary

    def trained_model(self) -> Any:
        """The trained model, see `rnnjax.load`; one that searches does as the flags ask."""
        model = rnnjax.load(self.workdir, self.config)
        search = getattr(self.options, "search", None)
        return model if search is None else model._replace(search=search)

    def needed(self, flag: str, value: str) -> Any:
        """The value of a flag; UserError, with an example of its value, if it is not given."""
        if not (given := getattr(self.options, flag)):
            raise UserError(f"mode {self.shared.mode} takes --{flag}={value}")
        return given

    def chosen_split(self, splits: Mapping[str, Any]) -> Any:
        """The split that `--split` names; UserError if there is none of that name."""
        name, has = self.options.split, ", ".join(splits)
        if name in SPLITS and name not in splits:
            raise UserError(f"the data have no {name} split: choose --split among {has}")
        return splits[training.chosen("split", name, splits)]

    def evaluate(self) -> None:
        """Prints the scores of the split that `--split` names."""
        task, model = self.experiment, self.trained_model()
        splits = task.splits(self, model)
        self.chosen_split(splits)
        print(task.report_scores(model, splits, self.options.split, self.workdir)[0])

    @staticmethod
    def evaluates_training(prepared: Any) -> bool:
        """Whether evaluations read the training split, as the data have no validation split."""
        return {"train", "validation"} & set(getattr(prepared, "splits", ())) == {"train"}

    def give(self, name: str, text: str) -> None:
        """Prints a text, or writes it to the file that `--output` names, and tells so."""
        output = self.options.output
        if not output:
            print(text, end="")
            return
        atomic_files.write_text(Path(output), text)
        print(f"{name}: {output}")


class Trained(NamedTuple):
    """A training that came to its end.

    Attributes:
        run: the run, with its workdir as the source.
        model: the network after the last update, by averaged weights where there are any; that of
            the best checkpoint is in the workdir.
        best: the best value of the metric that decides.
    """

    run: Run
    prepared: Any
    model: Any
    best: float

    def report(self) -> tuple[dict[str, Any], list[training.Section]]:
        """The number that decides, and the sections of `tell_scores`."""
        measures = self.run.experiment.measures(self.run.config)
        decided = "training" if self.run.evaluates_training(self.prepared) else "validation"
        scale = f", {measures.scale}" * measures.higher_is_better
        return {f"{decided} {measures.metric}{scale}": self.best}, self.tell_scores()

    def tell_scores(self) -> list[training.Section]:
        """Tells the scores of the held-out splits that there are; gives their sections."""
        splits, model = self.prepared.splits, self.run.trained_model()
        sections: list[training.Section] = []
        for split in [name for name in HELD_OUT if name in splits]:
            told, its = self.run.experiment.report_scores(model, splits, split, self.run.workdir)
            training.tell(told)
            sections += its
        return sections


def steps_to_trace(run: Run) -> training.TracedSteps | None:
    """The steps that `--profile` names; None without it."""
    if run.shared.profile is None:
        return None
    return training.parse_steps(run.shared.profile, run.config.num_steps)


def join(run: Run) -> training.Placement:
    """Joins the other processes, sees that all are about to do the same, lays out the devices."""
    shared, config = run.shared, run.config
    training.processes.join(
        shared.coordinator,
        shared.num_processes,
        shared.process_id,
        heartbeat=shared.lost_after,
    )
    training.check_agreement(
        {
            "config": dataclasses.asdict(config),
            "--mesh": shared.mesh,
            "--restore_from": shared.restore_from,
            "code version": training.code_version(
                Path(__file__).parent, Path(rnnjax.__file__).parent
            ),
        }
    )
    return training.choose_placement(shared.mesh, config.batch_size)
