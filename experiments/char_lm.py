"""A character language model: trains, writes text, scores it, and shows what it has learned.

    python -m experiments.char_lm                          train on text that Python carries
    python -m experiments.char_lm --preset=hello           the smallest example: h e l l o
    python -m experiments.char_lm --config.data=FILE --config.hidden_size=512 --workdir=runs/mine

Then, with the --workdir of the training:

    --mode=sample --prompt="The " --temperature=0.7        write text
    --mode=score --text="the cat sat" --text="sat cat the" which sentence is likelier, and where
    --mode=evaluate --split=validation                     bits per character of a split
    --mode=evaluate --dynamic_learning_rate=0.1            ... while learning from what was scored
    --mode=inspect --units=3,17                            what units do while the model reads

--workdir=FOLDER holds one run (default runs/char_lm): checkpoints, metrics.jsonl, report.html. The
same command again resumes a run that was stopped, and ends with the same parameters bit for bit.

Measured on two CPU cores (AMD EPYC, AVX-512), jax 0.10.2, seed 0: the first command takes 1 min
18 s and reaches 1.3293 nats/char (1.9177 bits/char) on the validation split.
"""

import dataclasses
import functools
import math

from experiments.experiment import Experiment, Measures, Preset, Run, Trained
from experiments.options import ScoringOptions
from rnnjax import data, training
from rnnjax.data.prepared import Prepared
from rnnjax.models import LanguageModel
from rnnjax.tasks.language import text_model
from rnnjax.tasks.language.assembly import batch_loss, describe_loss, make_model
from rnnjax.tasks.language.config import LanguageConfig as Config
from rnnjax.tasks.language.inspection import report_inspection
from rnnjax.tasks.language.preparation import abstract_data, load_corpus, prepare
from rnnjax.tasks.language.score_report import report_scores, report_steps
from rnnjax.tasks.language.text_model import TextModel, opening_of
from rnnjax.training import setting

SAMPLE_LENGTH = 600
SHORT = 100
SMALL_VOCABULARY = 10
INSPECTED_SYMBOLS = 1000
RULE = f"\n{'-' * 72}\n"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(ScoringOptions):
    """The flags of the single modes."""

    prompt: str | None = setting(
        None,
        "what to go on from (sample), or what each text is read after (score). Default: "
        "a line end, where the vocabulary has one.",
        modes="sample score",
    )
    length: int = setting(500, "characters to write.", modes="sample")
    stop: tuple[str, ...] = setting((), "a string that ends a text; repeatable.", modes="sample")
    text: tuple[str, ...] = setting((), "a text; score takes several.", modes="score inspect")
    unknown: bool = setting(False, "characters the vocabulary lacks are scored too.", modes="score")
    split: str = setting("validation", "which split.", modes="evaluate")
    eval_batch_size: int | None = setting(
        None, "rows read side by side; as in training if not given.", modes="evaluate"
    )
    dynamic_learning_rate: float = setting(
        0.0,
        "after each window is scored, take a gradient step of this size on it; "
        "best with --eval_batch_size=1. 0: never.",
        modes="evaluate",
    )
    units: str | None = setting(
        None, "units such as 3,17; default: six that vary much and switch seldom.", modes="inspect"
    )
    layer: int = setting(0, "the layer of these units, from 1; 0: the last.", modes="inspect")


PRESETS = {
    "default": Preset("Python's documentation: minutes on two CPU cores.", Config()),
    "hello": Preset(
        "The word hello, four letters; shows the scores at each step.",
        Config(
            data="hello", hidden_size=16, embed_size=4, dropout=0.0, batch_size=4, window=5,
            num_steps=300, warmup_steps=0, learning_rate=2e-2, eval_every=100,
            checkpoint_every=100,
        ),
    ),
    "shakespeare": Preset(
        "Two layers for tiny Shakespeare; --config.data=FILE reads your copy of it.",
        Config(
            data="tfds:tiny_shakespeare", window=100, hidden_size=512, num_layers=2,
            embed_size=128, dropout=0.4, weight_drop=0.2, num_steps=7000, learning_rate=2e-3,
            warmup_steps=200, average_decay=0.999, eval_every=250, checkpoint_every=250,
        ),
    ),
    "python_source": Preset(
        "The source code of Python's standard library.",
        Config(data="python_source", window=128, hidden_size=512, embed_size=128, num_steps=5000),
    ),
    "large": Preset(
        "Three wide layers in bfloat16, for an accelerator.",
        Config(
            data="python_source", window=256, hidden_size=2048, num_layers=3, embed_size=512,
            dropout=0.2, compute_dtype="bfloat16", remat="gates", batch_size=256, num_steps=2500,
            learning_rate=1e-3, average_decay=0.9995,
        ),
    ),
}  # fmt: skip


def writer(prepared: Prepared, model: LanguageModel) -> TextModel:
    """The model with the vocabulary and the opening of its training text."""
    return TextModel(model, prepared.vocabulary, opening_of(prepared))


def report(trained: Trained) -> tuple[dict[str, float], list[training.Section]]:
    """Samples, and where there are few symbols the score of each at every step."""
    prepared, unit = trained.prepared, trained.run.config.level
    document = text_model.longest_document(prepared.splits["train"])
    length = min(SAMPLE_LENGTH, len(document) - 1)
    model = writer(prepared, trained.model)
    title = f"Samples: prompt {model.opening!r}, temperature 0.8, seed 0"
    texts = model.write(length=length, num_samples=3)
    sections = [training.Section(title, text=RULE.join(texts))]
    if len(prepared.vocabulary) <= SMALL_VOCABULARY:
        told, section = report_steps(trained.model, prepared.vocabulary, document)
        training.tell(told)
        sections.insert(0, section)
    training.tell(f"{sections[-1].title}:\n{sections[-1].text}\n")
    loss = trained.best
    results = {f"validation loss, nats/{unit}": loss, f"bits/{unit}": loss / math.log(2)}
    return results, sections


def sample(run: Run) -> None:
    """Prints texts that go on from the prompt, the first while it is written."""
    options, others = run.options, []
    pieces = run.trained_model().stream(
        options.prompt, length=options.length, num_samples=options.num_samples,
        stop=options.stop, seed=options.seeds, **options.filters
    )  # fmt: skip
    for first, *rest in pieces:
        print(first, end="", flush=True)
        others.append(rest)
    print("", *map("".join, zip(*others, strict=True)), sep=RULE)


def score(run: Run) -> None:
    """Prints how likely texts are, the likeliest first; writes score.html."""
    options = run.options
    texts = options.texts_to_score(run.config.encoding)
    of_unknown = {"prompt": options.prompt, "unknown": options.unknown}
    print(report_scores(run.trained_model(), texts, run.workdir, **of_unknown))


def evaluate(run: Run) -> None:
    """Prints the loss of a whole split, read from its beginning to its end."""
    model, vocabulary, _ = run.trained_model()
    config, options = run.config, run.options
    corpus = load_corpus(config, vocabulary)
    split = training.chosen("split", options.split, corpus.splits)
    batch_size = config.batch_size if options.eval_batch_size is None else options.eval_batch_size
    rate = options.dynamic_learning_rate
    print(f"{split}: {describe_loss(model, config, corpus, split, batch_size, rate)}")


def inspect(run: Run) -> None:
    """Writes inspect.html and pictures of what units, gates and gradients do over a text."""
    model, options = run.trained_model(), run.options
    if options.text:
        ids = model.encode(options.text[0], "--text")
    else:
        splits = load_corpus(run.config, model.vocabulary).splits
        ids = text_model.longest_document(splits["validation"])[:INSPECTED_SYMBOLS]
    print(report_inspection(model, ids, run.workdir, layer=options.layer, units=options.units))


EXPERIMENT = Experiment(
    name="char_lm",
    summary="language model of characters; Python's documentation; 80 s; 1.33 nats/char",
    title="Character language model",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=data.Vocabulary,
    vocabulary_field="level",
    prepare=lambda run: prepare(run.config, run.vocabulary()),
    model=lambda config, prepared: make_model(config, len(prepared.vocabulary)),
    loss=lambda config, prepared: functools.partial(batch_loss, config),
    carry=lambda config, model: model.initial_carry(config.batch_size),
    stored=lambda prepared, model: {"opening": opening_of(prepared)},
    shapes=abstract_data,
    measures=lambda config: Measures(config.level),
    report=report,
    sample=lambda _, prepared, model: writer(prepared, model).write(length=SHORT)[0].strip(),
    modes={"sample": sample, "score": score, "evaluate": evaluate, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
