"""Naming: writes names letter by letter, of a class or of none, and says where a name belongs.

    python -m experiments.naming                            family names of twelve countries (Faker)
    python -m experiments.naming --config.data=names.tsv --workdir=runs/mine
                                                            columns name and class
    python -m experiments.naming --config.data=names.tsv --config.class_column= --workdir=runs/all

Then, with the --workdir of the training:

    --mode=generate --class=it_IT --num_samples=20          new names of a class
    --mode=predict --text=Bianchi --text=Ivanova            which class a name belongs to
    --mode=evaluate --split=test                            nats/char and accuracy, beside 5-grams
    --mode=inspect --text=Virtanen                          the classes after each letter, a picture

The first command takes two minutes on two cores; 1.9413 nats/char on the test split.
"""

import json
from dataclasses import dataclass

from experiments.experiment import Experiment, Measures, Preset, Run, Trained
from experiments.options import SamplingOptions
from rnnjax import data, training
from rnnjax.data.prepared import Prepared
from rnnjax.errors import UserError
from rnnjax.tasks.naming import generator, name_model, preparation, reports
from rnnjax.tasks.naming.config import NamingConfig as Config
from rnnjax.tasks.naming.names import class_counts, load_names
from rnnjax.training import setting


@dataclass(frozen=True, kw_only=True)
class Options(SamplingOptions):
    """The flags of the single modes."""

    split: str = setting("test", "which split.", modes="evaluate")
    class_: str | None = setting(None, "the class; default: each of them.", modes="generate")
    num_samples: int = setting(10, "names of each class.", modes="generate")
    temperature: float = setting(
        1.0, "divides the scores of symbols; 0 takes the likeliest one.", modes="sample generate"
    )
    text: tuple[str, ...] = setting((), "a name; predict takes several.", modes="predict inspect")


PRESETS = {
    "default": Preset("A GRU of 128 units.", Config(num_steps=2000, learning_rate=1e-2)),
    "tutorial": Preset(
        "A plain RNN with the sizes, the dropout and the updates of PyTorch's tutorial.",
        Config(
            cell="rnn", dropout=0.1, optimizer="sgd", momentum=0.0, learning_rate=4e-3,
            schedule="constant", warmup_steps=0, clip_norm=0.0, average="none", batch_size=1,
            num_steps=100_000, eval_every=5000, checkpoint_every=5000, log_every=1000,
        ),
    ),
    "lipton2015": Preset(
        "Two LSTM layers of 1,024 units that see the class at each step: Lipton et al. 2015.",
        Config(
            cell="lstm", num_layers=2, hidden_size=1024, dropout=0.0, optimizer="rmsprop",
            learning_rate=1e-3, schedule="constant", warmup_steps=0, average="none",
            batch_size=256, num_steps=1000, eval_every=40,
        ),
    ),
}  # fmt: skip


def report(trained: Trained) -> tuple[dict[str, float], list[training.Section]]:
    """Scores beside those of 5-grams, which classes are taken for which, and new names."""
    splits, model = trained.prepared.splits, trained.run.trained_model()
    split = "test" if splits.get("test") else "validation"
    folder = trained.run.workdir
    results, told, sections = reports.report_split(model, splits, split, folder)
    new, generated = reports.report_generated(model, splits)
    training.tell(f"{told}\ngenerated: {new:.1f}% are not training names")
    return {**results, "generated, not in training, %": new}, [*sections, generated]


def sample(config: Config, prepared: Prepared, model: generator.NameGenerator) -> str:
    """Names of the first class that the model writes at an evaluation."""
    counts = class_counts(prepared.splits)
    names = name_model.NameModel(model, prepared.vocabulary, counts)
    return ", ".join(names.generate(next(iter(counts), None), 5))


def generate(run: Run) -> None:
    """Prints names; a star says that a name stands in the training data."""
    options, model = run.options, run.trained_model()
    every: list[str | None] = list(model.class_counts) or [None]
    labels = every if options.class_ is None else [options.class_]
    found = {
        label: model.generate(label, options.num_samples, options.seeds, **options.filters)
        for label in labels
    }
    train = {name.text for name in load_names(run.config).splits["train"]}
    for label, names in found.items():
        for name in names:
            print("\t".join([*filter(None, [label]), reports.marked(name, train)]))
    drawn = [name for names in found.values() for name in names]
    new = sum(name not in train for name in drawn)
    others = ", the others have a *" if new < len(drawn) else ""
    training.say(f"{new} of {len(drawn)} are not in the training data{others}")


def predict(run: Run) -> None:
    """Prints the likeliest classes of each name, and their probabilities."""
    names = run.needed("text", "NAME (repeatedly)")
    print(reports.report_classes(run.trained_model(), names))


def inspect(run: Run) -> None:
    """Draws belief.png: the probability of each class after each letter of a name."""
    if len(run.options.text) != 1:
        raise UserError("mode inspect takes one --text=NAME")
    png = reports.draw_beliefs(run.trained_model(), run.options.text[0])
    path = training.write_results(run.workdir, {"belief.png": png})
    print(f"The classes, letter by letter: {path}")


EXPERIMENT = Experiment(
    name="naming",
    summary="writes and classifies names; family names of Faker; 2 min; 1.94 nats/char",
    title="Naming",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=data.Vocabulary,
    prepare=lambda run: preparation.prepare(run.config, run.vocabulary(), run.stored),
    model=lambda config, prepared: generator.make_model(
        config, len(prepared.vocabulary), len(class_counts(prepared.splits))
    ),
    loss=lambda config, prepared: generator.batch_loss,
    stored=lambda prepared, model: {"classes": json.dumps(class_counts(prepared.splits))},
    measures=lambda config: Measures("char"),
    splits=lambda run, model: load_names(run.config).splits,
    report_scores=lambda *which: reports.report_split(*which)[1:],
    report=report,
    sample=sample,
    modes={"generate": generate, "predict": predict, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
