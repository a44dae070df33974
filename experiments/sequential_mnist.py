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

from experiments.experiment import Experiment, Measures, ModeOptions, Preset, Run
from rnnjax.tasks.sequential_mnist import classifier, digits
from rnnjax.tasks.sequential_mnist.classifier import DigitConfig as Config
from rnnjax.training import setting


@dataclass(frozen=True, kw_only=True)
class Options(ModeOptions):
    """The flags of the single modes."""

    input: tuple[str, ...] = setting((), "an image; may be given several times.", modes="predict")


LSTM = Config(hidden_size=130, batch_size=64, num_steps=8590, learning_rate=2e-3, eval_every=859)
PRESETS = {
    "default": Preset("A GRU for digits of 8 x 8 pixels: a minute or two.", Config(cell="gru")),
    "lstm": Preset("An LSTM for MNIST: --config.data=mnist.npz; ten passes.", LSTM),
    "gru": Preset("A GRU for MNIST.", replace(LSTM, cell="gru", hidden_size=150)),
    "rnn": Preset("A tanh RNN for MNIST.", replace(LSTM, cell="rnn", hidden_size=258)),
    "irnn": Preset("A relu RNN for MNIST that begins with the identity matrix.",
                   replace(LSTM, cell="irnn", hidden_size=258, learning_rate=2e-4)),
}  # fmt: skip


def predict(run: Run) -> None:
    """Prints the likeliest digit of each image, and its probability."""
    paths = run.needed("input", "IMAGE (repeatedly)")
    found = run.trained_model().read(*paths)
    for path, row in zip(paths, found, strict=True):
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
    splits=lambda run, model: digits.load_digits(run.config.data, run.config.permuted),
    report_scores=classifier.report_scores,
    modes={"predict": predict},
)

if __name__ == "__main__":
    EXPERIMENT.main()
