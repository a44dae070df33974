"""Sequential MNIST: a classifier reads a digit pixel by pixel and says which one it is.

    python -m experiments.sequential_mnist                      scikit-learn's digits, 64 pixels
    python -m experiments.sequential_mnist --preset=gru --config.data=mnist.npz --workdir=runs/gru
    python -m experiments.sequential_mnist --config.permuted    the pixels in a random, fixed order

Then, with the --workdir of the training:

    --mode=evaluate --split=test                                accuracy, and a confusion matrix
    --mode=predict --input=digit.png                            which digit an image shows

lstm, gru and rnn have about 70,000 parameters, as in Bai et al. 2018, "An empirical evaluation of
generic convolutional and recurrent networks for sequence modeling"; irnn is Le et al. 2015, "A
simple way to initialize recurrent networks of rectified linear units".
"""

from dataclasses import dataclass, replace

from experiments.experiment import Experiment, Measures, Preset, Run, Trained
from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.tasks.sequential_mnist import classifier, digits
from rnnjax.tasks.sequential_mnist.classifier import DigitConfig as Config
from rnnjax.training import setting


@dataclass(frozen=True, kw_only=True)
class Options:
    """The flags of the single modes."""

    split: str = setting("test", "Mode evaluate: which split.")
    input: tuple[str, ...] = setting((), "Mode predict: an image; may be given several times.")


LSTM = Config(hidden_size=130, batch_size=64, num_steps=8590, learning_rate=2e-3, eval_every=859)
PRESETS = {
    "default": Preset("A GRU for digits of 8 x 8 pixels: a minute or two.", Config(cell="gru")),
    "lstm": Preset("An LSTM for MNIST: --config.data=mnist.npz; ten passes.", LSTM),
    "gru": Preset("A GRU for MNIST.", replace(LSTM, cell="gru", hidden_size=150)),
    "rnn": Preset("A tanh RNN for MNIST.", replace(LSTM, cell="rnn", hidden_size=258)),
    "irnn": Preset("A relu RNN for MNIST that begins with the identity matrix.",
                   replace(LSTM, cell="irnn", hidden_size=258, learning_rate=2e-4)),
}  # fmt: skip


def report(trained: Trained) -> tuple[dict[str, float], list[training.Section]]:
    """The accuracy, and which digits of the test split are taken for which."""
    reader = classifier.load(trained.run.workdir)
    section = classifier.confusion(reader.model, trained.prepared.splits["test"])
    training.tell(f"test: {section.title}")
    return {"validation accuracy, %": trained.best}, [section]


def evaluate(run: Run) -> None:
    """Prints the accuracy of a split; draws confusion.png."""
    split = run.chosen_split(digits.load_digits(run.config.data, run.config.permuted))
    section = classifier.confusion(classifier.load(run.workdir, run.config).model, split)
    picture = training.write_results(run.workdir, {"confusion.png": section.png})
    print(f"{run.options.split}: {section.title}\nWho is taken for whom: {picture}")


def predict(run: Run) -> None:
    """Prints the likeliest digit of each image, and its probability."""
    if not run.options.input:
        raise UserError("mode predict takes --input=IMAGE (repeatedly)")
    found = classifier.load(run.workdir, run.config).read(*run.options.input)
    for path, row in zip(run.options.input, found, strict=True):
        print(f"{path}: {row.argmax()} ({row.max():.1%})")


EXPERIMENT = Experiment(
    name="sequential_mnist",
    summary="a digit from its pixels, one a step; scikit-learn's digits; 1 min; 96% right",
    title="Sequential MNIST",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    prepare=lambda run: digits.prepare(
        run.config.data, run.config.batch_size, run.config.seed, run.config.permuted
    ),
    model=lambda config, prepared: classifier.make_model(config),
    loss=lambda config, prepared: classifier.batch_loss,
    stored=lambda prepared, model: {"side": str(prepared.splits["train"].images.shape[1])},
    measures=lambda config: Measures("digit", metric="accuracy", scale="%"),
    report=report,
    modes={"evaluate": evaluate, "predict": predict},
)

if __name__ == "__main__":
    EXPERIMENT.main()
