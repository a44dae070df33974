"""Sentiment: a recurrent network reads a text and says its class, or its number of stars.

    python -m experiments.sentiment                        1,100 reviews that ship with rnnjax
    python -m experiments.sentiment --config.data=FOLDER --workdir=runs/mine
    python -m experiments.sentiment --preset=sst2 --config.data=FOLDER --workdir=runs/sst2

FOLDER holds a file each whose name says train, dev (or valid) and test: .tsv, .csv or .jsonl, of
which --config.text_column=NAME and --config.label_column=NAME choose the columns; any other file
has a label, a blank and a text in a line. One file instead of a folder is divided. Then, with the
--workdir of the training:

    --mode=evaluate --split=test                           accuracy, macro F1, confusion matrix
    --mode=predict --text="Not bad at all."                the class of a text, ...
    --mode=predict --input=FILE --output=out.html          ... or of each line of a file; or .jsonl
    --mode=inspect                                         errors, with the words in colour
"""

from dataclasses import dataclass, replace

from experiments.experiment import Experiment, Measures, ModeOptions, Preset, Run, Trained
from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.tasks.sentiment import preparation, reports, sentiment_model
from rnnjax.tasks.sentiment.config import SentimentConfig as Config
from rnnjax.tasks.sentiment.labelled_texts import load_texts
from rnnjax.tasks.sentiment.preparation import SentimentVocabulary
from rnnjax.training import atomic_files, setting


@dataclass(frozen=True, kw_only=True)
class Options(ModeOptions):
    """The flags of the single modes."""

    text: tuple[str, ...] = setting((), "a text; may be given several times.", modes="predict")
    input: str | None = setting(
        None, "a file, .tsv, .csv, .jsonl or a text a line; -: stdin.", modes="predict"
    )
    output: str | None = setting(None, "where to write, .jsonl or .html.", modes="predict")
    colour_by: str | None = setting(
        None,
        "colour words by attention or gradient; default: attention where the model pools by it.",
        modes="predict inspect",
    )


SST2 = Config(
    embed_size=300, hidden_size=150, batch_size=50, num_steps=700, learning_rate=1e-3,
    eval_every=70, checkpoint_every=70,
)  # fmt: skip
PRESETS = {
    "default": Preset(
        "Reviews that ship with rnnjax, one to five stars: a minute or two.",
        Config(num_steps=750, learning_rate=3e-3, eval_every=25, checkpoint_every=25),
    ),
    "sst2": Preset(
        "SST-2 as in Kim 2014 (random vectors of 300 numbers, dropout 0.5), by a BiLSTM: "
        "--config.data=FOLDER.",
        SST2,
    ),
    "mr": Preset(
        "Movie reviews (MR) as in Kim 2014: --config.data=rt-polarity.all --config.fold=0 to 9.",
        replace(SST2, num_steps=850, eval_every=85, checkpoint_every=85, encoding="latin-1"),
    ),
}  # fmt: skip


def report(trained: Trained) -> tuple[dict[str, float], list[training.Section]]:
    """The scores of the held-out splits, and errors of the last of them."""
    model, splits = trained.run.trained_model(), trained.prepared.splits
    last = splits.get("test", splits["validation"])
    errors = reports.errors_section(model, last, limit=20)
    return {"validation accuracy, %": trained.best}, [*trained.tell_scores(), errors]


def predict(run: Run) -> None:
    """Classifies texts or the lines of a file."""
    texts, file, output = run.options.text, run.options.input, run.options.output
    if bool(texts) == bool(file):
        raise UserError("mode predict takes --text=TEXT (repeatedly) or --input=FILE, not both")
    atomic_files.check_output(output, reports.OUTPUTS)
    if file:
        texts = reports.texts_of_file(file, run.config.text_column, encoding=run.config.encoding)
    model = run.trained_model()
    print(reports.report_predictions(model, texts, output, run.options.colour_by))


def inspect(run: Run) -> None:
    """Writes inspect.html: confusions, and the most confident errors with words in colour."""
    splits, options = load_texts(run.config), run.options
    run.chosen_split(splits)
    which = run.trained_model(), splits, options.split
    print(reports.report_inspection(*which, options.colour_by, run.workdir))


EXPERIMENT = Experiment(
    name="sentiment",
    summary="the stars of a review; bundled reviews; 2 min; 69% right on topics it never saw",
    title="Sentiment",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=SentimentVocabulary,
    prepare=lambda run: preparation.prepare(run.config, run.vocabulary()),
    model=lambda config, data: sentiment_model.make_model(config, data.vocabulary, data.vectors),
    loss=lambda config, prepared: sentiment_model.batch_loss,
    measures=lambda config: Measures("text", "token", metric="accuracy", scale="%"),
    splits=lambda run, model: load_texts(run.config),
    report_scores=reports.report_scores,
    report=report,
    modes={"predict": predict, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
