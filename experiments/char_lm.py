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
import math
from pathlib import Path
from typing import get_args

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from experiments import cli
from experiments.start import begin, stored_model, stored_vocabulary
from rnnjax import data, training
from rnnjax.cells.named import CELLS, DTYPES, deep, operand_dtype
from rnnjax.data import Level
from rnnjax.engines.problem import Remat
from rnnjax.errors import UserError
from rnnjax.metrics import perplexity
from rnnjax.models import LanguageModel, window_loss
from rnnjax.tasks.language import (
    TextModel,
    longest_document,
    opening_of,
    report_inspection,
    report_scores,
    step_scores,
    texts_of_file,
)
from rnnjax.training import setting

NAME = "char_lm"
SAMPLE_LENGTH = 600
SMALL_VOCABULARY = 10
INSPECTED_SYMBOLS = 1000
ASSUMED_SYMBOLS = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The flags of the single modes."""

    prompt: str | None = setting(
        None,
        "Mode sample: the text to go on from. Mode score: what each text is read after. Default: "
        "a line end, where the vocabulary has one.",
    )
    length: int = setting(500, "Mode sample: characters to write.")
    num_samples: int = setting(3, "Mode sample: texts, written side by side.")
    temperature: float = setting(0.8, "Mode sample: 0 takes the likeliest.")
    top_k: int = setting(0, "Mode sample: draw from the k likeliest; 0: from all.")
    top_p: float = setting(1.0, "Mode sample: draw from the nucleus of this mass.")
    stop: str | None = setting(None, "Mode sample: a character that ends a text.")
    text: tuple[str, ...] = setting((), "Modes score, inspect: a text; score takes several.")
    text_file: str | None = setting(None, "Mode score: a file with a text a line.")
    split: str = setting("validation", "Mode evaluate: which split.")
    eval_batch_size: int | None = setting(
        None, "Mode evaluate: rows read side by side; as in training if not given."
    )
    dynamic_learning_rate: float = setting(
        0.0,
        "Mode evaluate: after each window is scored, take a gradient step of this size on it; "
        "best with --eval_batch_size=1. 0: never.",
    )
    units: str | None = setting(
        None, "Mode inspect: units such as 3,17; default: six that vary much and switch seldom."
    )
    layer: int = setting(0, "Mode inspect: the layer of these units, from 1; 0: the last.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(training.TrainingConfig):
    """All that decides a run."""

    data: str = setting("embedded", "embedded, python_source, hello, a path, or tfds:NAME.")
    level: Level = setting("char", "char, or byte (256 symbols, any file).")
    encoding: str = setting("utf-8", "Encoding of the text files.")
    valid_fraction: float = setting(0.1, "Share of the text held out, from its end.")
    window: int = setting(64, "Steps between two updates (k1).")
    bptt: int = setting(0, "Steps that gradients reach back (k2); 0: as many as window.")
    cell: str = setting("lstm", f"One of {', '.join(CELLS)}.")
    hidden_size: int = setting(256, "H, units a layer.")
    num_layers: int = setting(1, "Recurrent layers.")
    embed_size: int = setting(64, "D, numbers a character is turned into.")
    dropout: float = setting(0.1, "On the output of each layer, a mask a window.")
    weight_drop: float = setting(0.0, "Of recurrent weights, a mask a window.")
    compute_dtype: str = setting("float32", f"Of matmul operands, one of {', '.join(DTYPES)}.")
    remat: str = setting("none", "Recompute to save memory: none, gates or sqrt.")

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        self.check_choice("level", get_args(Level))
        self.check_choice("cell", CELLS)
        self.check_choice("compute_dtype", DTYPES)
        self.check_choice("remat", get_args(Remat))
        self.check_at_least(1, "window", "hidden_size", "num_layers", "embed_size")
        self.check_rate("dropout", "weight_drop")
        if self.bptt and self.bptt < self.window:
            raise UserError(f"--config.bptt={self.bptt} is below --config.window={self.window}")


PRESETS = {
    "default": cli.Preset("Python's documentation: minutes on two CPU cores.", Config()),
    "hello": cli.Preset(
        "The word hello, four letters; shows the scores at each step.",
        Config(
            data="hello",
            hidden_size=16,
            embed_size=4,
            dropout=0.0,
            batch_size=4,
            window=5,
            num_steps=300,
            warmup_steps=0,
            learning_rate=2e-2,
            eval_every=100,
            checkpoint_every=100,
        ),
    ),
    "shakespeare": cli.Preset(
        "Two layers for tiny Shakespeare; --config.data=FILE reads your copy of it.",
        Config(
            data="tfds:tiny_shakespeare",
            window=100,
            hidden_size=512,
            num_layers=2,
            embed_size=128,
            dropout=0.4,
            weight_drop=0.2,
            num_steps=7000,
            learning_rate=2e-3,
            warmup_steps=200,
            average_decay=0.999,
            eval_every=250,
            checkpoint_every=250,
        ),
    ),
    "python_source": cli.Preset(
        "The source code of Python's standard library.",
        Config(data="python_source", window=128, hidden_size=512, embed_size=128, num_steps=5000),
    ),
    "large": cli.Preset(
        "Three wide layers in bfloat16, for an accelerator.",
        Config(
            data="python_source",
            window=256,
            hidden_size=2048,
            num_layers=3,
            embed_size=512,
            dropout=0.2,
            compute_dtype="bfloat16",
            remat="gates",
            batch_size=256,
            num_steps=2500,
            learning_rate=1e-3,
            average_decay=0.9995,
        ),
    ),
}


def make_model(config: Config, vocab_size: int) -> LanguageModel:
    """The language model of a config, with fresh parameters."""
    return LanguageModel(
        vocab_size,
        deep(
            config.cell,
            config.hidden_size,
            num_layers=config.num_layers,
            dropout=config.dropout,
            weight_drop=config.weight_drop,
            compute_dtype=config.compute_dtype,
        ),
        embed_size=config.embed_size,
        compute_dtype=operand_dtype(config.compute_dtype),
        rngs=nnx.Rngs(config.seed),
    )


def load_corpus(config: Config, vocabulary: data.Vocabulary | None = None) -> data.Corpus:
    """The text of a config, encoded; with a trained model's vocabulary where one is given."""
    return data.load(
        config.data,
        level=config.level,
        encoding=config.encoding,
        valid_fraction=config.valid_fraction,
        vocabulary=vocabulary,
    )


def make_loss(config: Config, graph: nnx.GraphDef) -> training.LossFn:
    """The loss of one window, as training knows it."""

    def loss_fn(params, carry, batch, key):
        window = config.window if key is not None and config.bptt else None
        model = nnx.merge(graph, params)
        total, count, carry = window_loss(
            model, carry, batch, key, window=window, remat=config.remat
        )
        return training.Loss(total, count, carry)

    return loss_fn


def abstract_task(config: Config) -> training.Task:
    """What `train` trains, in shapes; of the data only the vocabulary is read, and not of TFDS."""
    num_symbols = ASSUMED_SYMBOLS
    if config.level == "char" and config.data.startswith("tfds:"):
        training.say(f"{config.data} is not read here: {num_symbols} symbols are assumed.")
    elif config.level == "char":
        num_symbols = len(load_corpus(config).vocabulary)
    graph, params = nnx.split(nnx.eval_shape(lambda: make_model(config, num_symbols)), nnx.Param)
    shape = (config.bptt or config.window, config.batch_size)
    kinds = {"inputs": jnp.int32, "targets": jnp.int32, "reset": jnp.bool, "mask": jnp.bool}
    return training.Task(
        make_loss(config, graph),
        params,
        carry=jax.eval_shape(lambda p: nnx.merge(graph, p).initial_carry(shape[1]), params),
        batch={name: jax.ShapeDtypeStruct(shape, kind) for name, kind in kinds.items()},
        units=config.window * config.batch_size,
        unit=config.level,
    )


def train(run: cli.Run) -> None:
    """Trains, then writes samples and the report."""
    config = run.config
    start = begin(run, NAME)
    corpus = load_corpus(config, vocabulary_of(start.source, config) if start.source else None)
    windows = data.TrainingWindows(
        corpus.splits["train"],
        batch_size=config.batch_size,
        window=config.window,
        bptt=config.bptt or None,
        seed=config.seed,
        rotate=config.data != "hello",
    )
    held_out = data.EvaluationWindows(
        corpus.splits["validation"], batch_size=config.batch_size, window=config.window
    )
    model = make_model(config, len(corpus.vocabulary))
    graph, params = nnx.split(model, nnx.Param)
    training.say(corpus.describe())
    params = start.initial(params)

    loss_fn = make_loss(config, graph)
    eval_step = training.make_eval_step(loss_fn, run.placement)
    initial_carry = model.initial_carry(config.batch_size)
    opening = opening_of(corpus)
    extra = {"vocabulary": corpus.vocabulary.to_json(), "opening": opening}
    result = training.fit(
        config,
        loss_fn,
        params,
        data.iterator(windows, run.placement.rows, workers=config.data_workers),
        workdir=start.workdir._replace(extra=extra),
        carry=initial_carry,
        evaluate=lambda params: training.evaluate(
            eval_step, params, initial_carry, held_out, run.placement
        ),
        unit=config.level,
        placement=run.placement,
        profile=run.profile,
    )
    if not training.processes.is_first():
        return
    model = nnx.merge(graph, training.evaluation_params(result.state))
    document = longest_document(corpus.splits["train"])
    texts = TextModel(model, corpus.vocabulary, opening).write(
        length=min(SAMPLE_LENGTH, len(document) - 1), num_samples=3, seed=config.seed
    )
    sections = [training.Section("Samples", text=separated(texts))]
    if len(corpus.vocabulary) <= SMALL_VOCABULARY:
        table = step_scores(model, corpus.vocabulary, document)
        sections.insert(0, training.Section("Scores at each step", text=table))
    training.say("\n".join(f"{section.title}:\n{section.text}\n" for section in sections))
    best = result.best_so_far.best_score
    best = math.nan if best is None else best
    start.report(
        result,
        title="Character language model",
        results={
            f"validation loss, nats/{config.level}": best,
            f"bits/{config.level}": best / math.log(2),
        },
        sections=sections,
        unit=config.level,
    )


def vocabulary_of(folder: str | Path, config: Config) -> data.Vocabulary:
    """The vocabulary that a checkpoint was trained with, which must be of the config's level."""
    return stored_vocabulary(folder, data.Vocabulary.from_json, "level", config.level)


def restored(run: cli.Run) -> TextModel:
    """The trained model of a workdir, best checkpoint."""
    vocabulary = vocabulary_of(run.workdir, run.config)
    opening = training.read_meta(run.workdir).extra.get("opening", "\n")
    model = stored_model(run.workdir, lambda: make_model(run.config, len(vocabulary)))
    return TextModel(model, vocabulary, opening)


def sample(run: cli.Run) -> None:
    """Prints texts that go on from the prompt."""
    options = run.options
    texts = restored(run).write(
        options.prompt,
        length=options.length,
        num_samples=options.num_samples,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        stop=options.stop,
        seed=run.config.seed,
    )
    print(separated(texts))


def separated(texts: list[str]) -> str:
    """Texts with a rule between them."""
    return f"\n{'-' * 72}\n".join(texts)


def score(run: cli.Run) -> None:
    """Prints how likely texts are, the likeliest first; writes score.html and score.json."""
    options = run.options
    file = options.text_file
    texts = [*options.text, *(texts_of_file(file, run.config.encoding) if file else ())]
    print(report_scores(restored(run), texts, run.workdir, prompt=options.prompt))


def evaluate(run: cli.Run) -> None:
    """Prints the loss of a whole split, read from its beginning to its end."""
    model, vocabulary, _ = restored(run)
    config, options = run.config, run.options
    splits = load_corpus(config, vocabulary).splits
    split = splits[cli.chosen("split", options.split, splits)]
    graph, params = nnx.split(model, nnx.Param)
    batch_size = config.batch_size if options.eval_batch_size is None else options.eval_batch_size
    windows = data.EvaluationWindows(split, batch_size=batch_size, window=config.window)
    loss_fn = make_loss(config, graph)
    state = model.initial_carry(batch_size)
    step = training.make_eval_step(loss_fn)
    how = ""
    if rate := options.dynamic_learning_rate:
        if not 0 < rate < math.inf:
            raise UserError(f"--dynamic_learning_rate is 0 or more; got {rate}")
        init, step = training.make_dynamic_eval_step(loss_fn, optax.sgd(rate))
        state = init(params, state)
        how = f", learning from each window after its score (rate {rate:g})"
    result = training.evaluate(step, params, state, windows)
    loss, unit = result["loss"], config.level
    if not math.isfinite(loss):
        raise UserError(f"the loss is {loss}: take a lower --dynamic_learning_rate than {rate:g}")
    print(
        f"{options.split}: {loss:.4f} nats/{unit}, {loss / math.log(2):.4f} bits/{unit}, "
        f"perplexity {perplexity(loss):.3f}, over {result['count']:,.0f} {unit}s{how}"
    )


def inspect(run: cli.Run) -> None:
    """Writes inspect.html and pictures of what units, gates and gradients do over a text."""
    text_model, options = restored(run), run.options
    if options.text:
        ids = text_model.encode(options.text[0], "--text")
    else:
        splits = load_corpus(run.config, text_model.vocabulary).splits
        ids = longest_document(splits["validation"])[:INSPECTED_SYMBOLS]
    print(report_inspection(text_model, ids, run.workdir, layer=options.layer, units=options.units))


MODES = {
    "train": train,
    "sample": sample,
    "score": score,
    "evaluate": evaluate,
    "inspect": inspect,
}


def main(argv: list[str] | None = None) -> None:
    """Runs the experiment; see the top of this file."""
    cli.main(NAME, about=__doc__ or "", presets=PRESETS, options=Options(), modes=MODES, argv=argv)


if __name__ == "__main__":
    main()
