"""Series of numbers from a CSV file: a forecast of what comes next, or a class of each series.

    python -m experiments.series                                yearly sunspots, 1700 to 2008
    python -m experiments.series --config.data=FILE.csv --config.target=COLUMN --workdir=runs/mine
    python -m experiments.series --config.data=FILE.csv --config.series=ID --config.label=COLUMN \\
        --workdir=runs/classes

FILE.csv has a header and a row a time step. Of each series to forecast, the first 70 % of the rows
are for training, 15 % for validation and the last 15 % for the test. Then, with the --workdir of
the training:

    --mode=evaluate --split=test               errors beside those of the last value; or accuracy
    --mode=predict --input=FILE.csv            what follows the last row, or the class of each
                                               series, as CSV; --output=FILE.csv writes it
"""

from dataclasses import dataclass, replace
from functools import partial

from experiments.experiment import Experiment, Measures, ModeOptions, Preset, Run
from rnnjax.tasks.series import reports
from rnnjax.tasks.series.config import SeriesConfig as Config
from rnnjax.tasks.series.preparation import load_for, prepare
from rnnjax.tasks.series.scaling import Scaling
from rnnjax.tasks.series.series_model import batch_loss, make_model
from rnnjax.training import atomic_files, setting


@dataclass(frozen=True, kw_only=True)
class Options(ModeOptions):
    """The flags of the single modes."""

    input: str | None = setting(
        None, "a CSV file with the columns of the training.", modes="predict"
    )
    output: str | None = setting(None, "the CSV file to write; default: stdout.", modes="predict")


SERIES = Config(num_steps=3000, learning_rate=2e-3)
PRESETS = {
    "default": Preset(
        "A GRU for yearly numbers of sunspots, one year ahead.",
        replace(SERIES, cell="gru", num_steps=1000, eval_every=50, checkpoint_every=250),
    ),
    "hourly": Preset(
        "An LSTM for hourly data, --config.data=FILE.csv: a week in, a day out.",
        replace(SERIES, window=168, horizon=24, hidden_size=64),
    ),
}


def predict(run: Run) -> None:
    """Prints or writes what follows each series of a file, or its class."""
    file = run.needed("input", "FILE.csv")
    atomic_files.check_output(run.options.output)
    run.give("Predictions", reports.predict_file(run.trained_model(), file))


def measures(config: Config) -> Measures:
    """Loss of a class in nats a series; of a forecast, a squared error, in units of variance."""
    if config.label:
        return Measures("series", metric="accuracy", scale="%")
    return Measures(speed_unit="forecast")


EXPERIMENT = Experiment(
    name="series",
    summary="forecasts or classifies series in CSV; sunspots; 22 s; error 12.9, naive 22.3",
    title="Series of numbers",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=Scaling,
    prepare=lambda run: prepare(run.config, run.vocabulary()),
    model=lambda config, prepared: make_model(config, prepared.vocabulary),
    loss=lambda config, prepared: partial(batch_loss, prepared.vocabulary),
    measures=measures,
    splits=lambda run, model: load_for(run.config, model.scaling).splits,
    report_scores=reports.report_scores,
    modes={"predict": predict},
)

if __name__ == "__main__":
    EXPERIMENT.main()
