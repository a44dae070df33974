"""Long range: which cell remembers how far. Three problems whose data are drawn at random.

    python -m experiments.long_range                          adding: the sum of 2 of 100 numbers
    python -m experiments.long_range --preset=copy            ten symbols, repeated after a wait
    python -m experiments.long_range --preset=agreement       "the cats near the dog ...": is or are
    python -m experiments.long_range --mode=compare --preset=agreement --cells=rnn,gru,my_module:f
    python -m experiments.long_range --mode=compare --lengths=25,50,100     trains each cell at each

The last two train every cell in the same way and write one page, compare.html. Then, with the
--workdir of a training:

    --mode=evaluate --split=test                              the score, and that by distance
    --mode=predict --text="0.3 0.5* 0.1 0.2*"                 the answer to an example of yours
    --mode=inspect                                            what the network says step by step

adding600 and copy1000 are the two problems at the lengths of Bai et al. 2018, "An empirical
evaluation of generic convolutional and recurrent networks for sequence modeling", table 1.
`python -m experiments.gradient_flow --workdir=RUN` shows how far the gradient reaches.
"""

from dataclasses import dataclass, replace
from functools import partial

from experiments.experiment import Experiment, Measures, ModeOptions, Preset, Run
from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.tasks.long_range import memory_model, preparation, reports
from rnnjax.tasks.long_range.config import LongRangeConfig as Config
from rnnjax.training import setting


@dataclass(frozen=True, kw_only=True)
class Options(ModeOptions):
    """The flags of the single modes."""

    split: str = setting("test", "which split, validation or test.", modes="evaluate")
    text: tuple[str, ...] = setting(
        (),
        "an example; may be given several times. Adding: numbers, a star after two; "
        "copy: ten digits from 1 to 8; agreement: the words before the verb.",
        modes="predict",
    )
    cells: str = setting("rnn,irnn,gru,lstm", "with commas between them.", modes="compare")
    lengths: str = setting(
        "",
        "T to train each cell at, with commas between them; empty: config.length.",
        modes="compare",
    )


ADDING = Config(
    num_steps=2000, learning_rate=5e-3, average="none", eval_every=100, checkpoint_every=500
)
PRESETS = {
    "default": Preset("Adding, T = 100, by a GRU: a minute or two.", ADDING),
    "agreement": Preset(
        "Agreement, up to 16 words between subject and verb.",
        replace(ADDING, problem="agreement", length=16, num_steps=2000),
    ),
    "copy": Preset(
        "Copy, T = 20.", replace(ADDING, problem="copy", length=20, num_steps=3000)
    ),
    "adding600": Preset(
        "Adding, T = 600, by a GRU: five minutes.", replace(ADDING, length=600)
    ),
    "copy1000": Preset(
        "Copy, T = 1000, by a GRU of about 16,000 parameters: hours.",
        replace(ADDING, problem="copy", length=1000, num_steps=50000, learning_rate=5e-4,
                eval_every=500),
    ),
}  # fmt: skip


def predict(run: Run) -> None:
    """Prints the answer to each example."""
    texts = run.needed("text", "EXAMPLE (repeatedly)")
    model = run.trained_model()
    for answer in [model.answer(text) for text in texts]:
        print(answer)


def inspect(run: Run) -> None:
    """Writes inspect.html: what the network says after each step."""
    print(reports.report_steps(run.trained_model(), run.workdir))


def compare(run: Run) -> None:
    """Trains every cell at every length, each in a folder of its own, and writes compare.html."""
    cells = [cell.strip() for cell in run.options.cells.split(",")]
    try:
        lengths = [int(n) for n in (run.options.lengths or str(run.config.length)).split(",")]
    except ValueError:
        raise UserError(f"--lengths is a list such as 25,50; got {run.options.lengths!r}") from None
    configs = {
        (cell, n): replace(run.config, cell=cell, length=n) for n in lengths for cell in cells
    }
    for config in configs.values():
        config.validate()
    folders = {
        key: run.workdir / f"{config.problem}_{key[0].replace(':', '.')}_{key[1]}"
        for key, config in configs.items()
    }
    for key, config in configs.items():
        training.say(f"{key[0]}, T = {key[1]}")
        EXPERIMENT.train(run._replace(config=config, workdir=folders[key]))
    print(reports.report_comparison(folders, run.workdir))


def measures(config: Config) -> Measures:
    """A squared error decides adding, the share that is right the other problems."""
    if config.problem == "adding":
        return Measures(speed_unit="sequence", scale="%")
    unit = "step" if config.problem == "copy" else "sentence"
    return Measures(unit, metric="accuracy", scale="%")


EXPERIMENT = Experiment(
    name="long_range",
    summary="adding, copying, agreement over T steps; random; 2 min; 96.5% of sums right",
    title="Long range",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    prepare=lambda run: preparation.prepare(run.config),
    model=lambda config, prepared: memory_model.make_model(config),
    loss=lambda config, prepared: partial(memory_model.batch_loss, config.problem),
    measures=measures,
    splits=lambda run, model: {
        name: preparation.split_examples(run.config, name) for name in ("validation", "test")
    },
    report_scores=reports.report_scores,
    modes={"predict": predict, "inspect": inspect, "compare": compare},
    fresh_modes=("compare",),
)

if __name__ == "__main__":
    EXPERIMENT.main()
