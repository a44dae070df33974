"""A word language model: trains, writes sentences, and says which of several is the likeliest.

    python -m experiments.word_lm                          Python's documentation, word by word
    python -m experiments.word_lm --config.data=FILE_OR_FOLDER --workdir=runs/mine

Each line of the text is a sentence, whose end is a symbol like a word. Then, with the --workdir of
the training:

    --mode=sample --prompt="The value"                     write sentences up to their end
    --mode=score --text="it is a string" --text="it is a sting"
                                                           which was said: the likeliest candidate
    --mode=evaluate --split=validation                     perplexity, and the share unknown
    --mode=inspect                                         words by surprise; a map of their vectors

The layers are regularised as in Merity, Keskar & Socher 2018, "Regularizing and optimizing LSTM
language models", and the output layer is the table of word vectors (Press & Wolf 2017, "Using the
output embedding to improve language models"; Inan et al. 2017).
"""

import math
from dataclasses import dataclass, replace

from experiments.experiment import Experiment, Measures, Preset, Run, Trained
from experiments.options import SamplingOptions
from rnnjax import data, training
from rnnjax.data.word_vocabulary import WordVocabulary
from rnnjax.errors import UserError
from rnnjax.tasks.word_language import corpus, reports
from rnnjax.tasks.word_language.config import WordConfig as Config
from rnnjax.tasks.word_language.word_model import (
    WordModel,
    load,
    loss_of_split,
    make_loss,
    make_model,
)
from rnnjax.training import setting

INSPECTED = 40


@dataclass(frozen=True, kw_only=True)
class Options(SamplingOptions):
    """The flags of the single modes."""

    prompt: str = setting("", "Mode sample: words to go on from.")
    num_samples: int = setting(5, "Mode sample: sentences, drawn side by side.")
    max_length: int = setting(60, "Mode sample: words to add at most.")
    text: tuple[str, ...] = setting((), "Mode score: a candidate; may be given several times.")
    text_file: str | None = setting(None, "Mode score: a file, a candidate a line; - is stdin.")
    split: str = setting("validation", "Modes evaluate, inspect: which split.")


DEFAULT = Config(num_steps=1000, learning_rate=4e-3, eval_every=250)
PRESETS = {
    "default": Preset("Python's documentation: minutes on two CPU cores.", DEFAULT),
    "plain": Preset(
        "As default, without tied weights and without dropout of words, inputs and weights.",
        replace(DEFAULT, tied=False, embed_dropout=0.0, input_dropout=0.0, weight_drop=0.0),
    ),
    "zaremba2014": Preset(
        "Two layers of 650 and windows of 35 words, the medium model of Zaremba et al. 2014.",
        replace(
            DEFAULT, num_layers=2, hidden_size=650, embed_size=650, batch_size=20, dropout=0.5,
            input_dropout=0.5, embed_dropout=0.0, weight_drop=0.0, clip_norm=5.0, num_steps=20000,
            learning_rate=1e-3, eval_every=1000, checkpoint_every=1000,
        ),
    ),
}  # fmt: skip


def report(trained: Trained) -> tuple[dict[str, float], list[training.Section]]:
    """Perplexity, sentences, and which words are alike."""
    model = load(trained.run.workdir)
    samples = training.Section("Samples: temperature 0.8, seed 0",
                               text="\n".join(model.write(num_samples=8)))  # fmt: skip
    training.tell(f"{samples.title}:\n{samples.text}")
    unknown = corpus.share_unknown(trained.prepared.splits["validation"])
    results = {
        "validation perplexity": math.exp(min(trained.best, 700)),
        "of the validation words unknown, %": 100 * unknown,
    }
    sections = [samples, reports.map_section(model), reports.neighbours_section(model)]
    return results, sections


def sample(run: Run) -> None:
    """Prints sentences that go on from the prompt."""
    options = run.options
    sentences = load(run.workdir, run.config).write(
        options.prompt,
        num_samples=options.num_samples,
        max_length=options.max_length,
        seed=options.seeds,
        **options.filters,
    )
    print("\n".join(sentences))


def score(run: Run) -> None:
    """Prints candidates, the likeliest first."""
    texts, file = list(run.options.text), run.options.text_file
    if file:
        lines = data.read_text(file, encoding=run.config.encoding).splitlines()
        texts += [line for line in lines if line.strip()]
    if not texts:
        raise UserError("nothing to score: give --text=TEXT (repeatedly) or --text_file=FILE")
    print(reports.report_scores(load(run.workdir, run.config).score(texts)))


def evaluate(run: Run) -> None:
    """Prints the perplexity of a split, and its share of unknown words."""
    model = load(run.workdir, run.config)
    stream = run.chosen_split(corpus.read_splits(run.config, model.vocabulary)[1])
    sizes = {"batch_size": run.config.batch_size, "window": run.config.window}
    loss, count = loss_of_split(model.model, stream, **sizes)
    unknown = corpus.share_unknown(stream)
    print(f"{run.options.split}: {reports.describe_loss(loss, count, unknown)}")


def inspect(run: Run) -> None:
    """Writes inspect.html: sentences of a split by surprise, and which words are alike."""
    model, split = load(run.workdir, run.config), run.options.split
    stream = run.chosen_split(corpus.read_splits(run.config, model.vocabulary)[1])
    sentences = corpus.first_sentences(stream, INSPECTED)
    print(reports.report_inspection(model, sentences, split, run.workdir))


EXPERIMENT = Experiment(
    name="word_lm",
    summary="language model of words; Python's documentation; 4 min; perplexity 36",
    title="Word language model",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=WordVocabulary,
    prepare=lambda run: corpus.prepare(run.config, run.vocabulary()),
    model=lambda config, prepared: make_model(config, len(prepared.vocabulary)),
    loss=lambda config, graph, prepared: make_loss(graph),
    carry=lambda config, model: model.initial_carry(config.batch_size),
    stored=lambda prepared, model: {"corpus": prepared.digest},
    shapes=corpus.shapes,
    measures=lambda config: Measures("word"),
    report=report,
    sample=lambda prepared, model: WordModel(model, prepared.vocabulary).write(num_samples=8)[0],
    modes={"sample": sample, "score": score, "evaluate": evaluate, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
