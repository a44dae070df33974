"""A word language model: trains, writes sentences, and says which of several is the likeliest.

    python -m experiments.word_lm                          Python's documentation, word by word
    python -m experiments.word_lm --config.data=FILE_OR_FOLDER --workdir=runs/mine

Each line of the text is a sentence, whose end is a symbol like a word. Then, with the --workdir of
the training:

    --mode=sample --prompt="The value"                     write sentences up to their end
    --mode=score --text="it is a string" --text="it is a sting"
                                                           which was said: the likeliest candidate
    --mode=evaluate --split=validation                     perplexity, and the share unknown;
                                                           --cache_size=500: with a neural cache
    --mode=inspect                                         words by surprise; a map of their vectors

The layers are regularised as in Merity, Keskar & Socher 2018, "Regularizing and optimizing LSTM
language models", and the output layer is the table of word vectors (Press & Wolf 2017, "Using the
output embedding to improve language models"; Inan et al. 2017).
"""

import math
from dataclasses import dataclass, replace
from functools import partial

from experiments.experiment import Experiment, Measures, Preset, Run, Trained
from experiments.options import ScoringOptions
from rnnjax import training
from rnnjax.data.word_vocabulary import WordVocabulary
from rnnjax.tasks.word_language import corpus, reports
from rnnjax.tasks.word_language.config import WordConfig as Config
from rnnjax.tasks.word_language.neural_cache import Cache
from rnnjax.tasks.word_language.word_model import WordModel, batch_loss, make_model
from rnnjax.training import setting
from rnnjax.training.config import Count, Rate, Weight


@dataclass(frozen=True, kw_only=True)
class Options(ScoringOptions):
    """The flags of the single modes."""

    prompt: str = setting("", "words to go on from.", modes="sample")
    num_samples: int = setting(5, "sentences, drawn side by side.", modes="sample")
    max_length: int = setting(60, "words to add at most.", modes="sample")
    split: str = setting("validation", "which split.", modes="evaluate inspect")
    cache_size: Count = setting(
        0, "words that a neural cache holds; 0: no cache.", modes="evaluate"
    )
    cache_theta: Weight = setting(0.3, "With a cache: how much alike states count more.")
    cache_lambda: Rate = setting(0.1, "With a cache: its share of the probability.")


DEFAULT = Config(num_steps=1000, learning_rate=4e-3, eval_every=250)
AWD = Config(
    hidden_size=200, embed_size=200, ar=2.0, tar=1.0, vary_window=True, optimizer="sgd",
    momentum=0.0, learning_rate=30.0, schedule="constant", warmup_steps=0, clip_norm=0.25,
    weight_decay=1.2e-6, average="ntasgd", average_patience=2, num_steps=1200, eval_every=100,
)  # fmt: skip
PRESETS = {
    "default": Preset("Python's documentation: minutes on two CPU cores.", DEFAULT),
    "awd": Preset("The recipe of merity2018 for one layer of 200 units: minutes.", AWD),
    "merity2018": Preset(
        "Three layers and 500 epochs of a million words, as Merity et al. 2018 for Penn Treebank.",
        replace(AWD, num_layers=3, hidden_size=1150, embed_size=400, batch_size=20, window=70,
                input_dropout=0.4, dropout=0.25, output_dropout=0.4, weight_drop=0.5, log_every=200,
                num_steps=330000, average_patience=5, eval_every=660, checkpoint_every=660),
    ),
}  # fmt: skip


def report(trained: Trained) -> tuple[dict[str, float], list[training.Section]]:
    """Perplexity, sentences, and which words are alike."""
    model = trained.run.trained_model()
    written = "\n".join(model.write(num_samples=8))
    samples = training.Section("Samples: no prompt, temperature 0.8, seed 0", text=written)
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
    model, options = run.trained_model(), run.options
    settings = {"num_samples": options.num_samples, "max_length": options.max_length}
    sentences = model.write(options.prompt, seed=options.seeds, **settings, **options.filters)
    print("\n".join(sentences))


def score(run: Run) -> None:
    """Prints candidates, the likeliest first."""
    texts = run.options.texts_to_score(run.config.encoding)
    print(reports.report_scores(run.trained_model().score(texts)))


def evaluate(run: Run) -> None:
    """Prints the perplexity of a split, and its share of unknown words."""
    model, options = run.trained_model(), run.options
    cache = Cache(options.cache_size, options.cache_theta, options.cache_lambda)
    stream = run.chosen_split(corpus.read_splits(run.config, model.vocabulary)[1])
    print(reports.report_perplexity(model.model, stream, options.split, run.config, cache))


def inspect(run: Run) -> None:
    """Writes inspect.html: sentences of a split by surprise, and which words are alike."""
    model, split = run.trained_model(), run.options.split
    stream = run.chosen_split(corpus.read_splits(run.config, model.vocabulary)[1])
    print(reports.report_inspection(model, corpus.first_sentences(stream, 40), split, run.workdir))


EXPERIMENT = Experiment(
    name="word_lm",
    summary="language model of words; Python's documentation; 4 min; perplexity 36",
    title="Word language model",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=WordVocabulary,
    prepare=lambda run: corpus.prepare(run.config, run.vocabulary()),
    model=lambda config, prepared: make_model(config, prepared.vocabulary, prepared.vectors),
    loss=lambda config, prepared: partial(batch_loss, config),
    carry=lambda config, model: model.initial_carry(config.batch_size),
    shapes=corpus.shapes,
    measures=lambda config: Measures("word"),
    report=report,
    sample=lambda _, prepared, model: WordModel(model, prepared.vocabulary).write(num_samples=8)[0],
    modes={"sample": sample, "score": score, "evaluate": evaluate, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
