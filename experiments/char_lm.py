"""A character language model: trains, writes text, scores it, and shows what it has learned.

    python -m experiments.char_lm                               train on text that Python carries
    python -m experiments.char_lm --mode=sample --prompt="The " write with the trained model
    python -m experiments.char_lm --mode=evaluate               bits per character of a split

--workdir=FOLDER holds one run (default runs/char_lm). The same command again resumes it.
"""

import dataclasses
import math
from typing import get_args

import jax
import jax.numpy as jnp
from absl import flags
from flax import nnx

from experiments import cli
from rnnjax import data, decode, training
from rnnjax.cells.named import CELLS, DTYPES, deep, operand_dtype
from rnnjax.data import Level
from rnnjax.errors import UserError, did_you_mean
from rnnjax.models import LanguageModel, window_loss
from rnnjax.training import setting

_SPLIT = flags.DEFINE_string("split", "validation", "Mode evaluate: which split.")
_EVAL_BATCH = flags.DEFINE_integer(
    "eval_batch_size", None, "Mode evaluate: rows read side by side; as in training if not given."
)
_PROMPT = flags.DEFINE_string("prompt", "\n", "Mode sample: the text to go on from.")
_LENGTH = flags.DEFINE_integer("length", 500, "Mode sample: characters to write.")
_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 3, "Mode sample: texts, written side by side.")
_TEMPERATURE = flags.DEFINE_float("temperature", 0.8, "Mode sample: 0 takes the likeliest.")
_TOP_K = flags.DEFINE_integer("top_k", 0, "Mode sample: draw from the k likeliest; 0: from all.")
_TOP_P = flags.DEFINE_float("top_p", 1.0, "Mode sample: draw from the nucleus of this mass.")
_STOP = flags.DEFINE_string("stop", None, "Mode sample: a character that ends a text.")


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
        self.check_choice("remat", ("none", "gates", "sqrt"))
        self.check_at_least(1, "window", "hidden_size", "num_layers", "embed_size")
        self.check_rate("dropout", "weight_drop")
        if self.bptt and self.bptt < self.window:
            raise UserError(f"--config.bptt={self.bptt} is below --config.window={self.window}")


PRESETS = {
    "default": Config(),
    "hello": Config(
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
    "shakespeare": Config(
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
    "python_source": Config(
        data="python_source", window=128, hidden_size=512, embed_size=128, num_steps=5000
    ),
    "large": Config(
        data="python_source",
        window=256,
        hidden_size=2048,
        num_layers=3,
        embed_size=512,
        dropout=0.2,
        compute_dtype="bfloat16",
        batch_size=256,
        num_steps=20000,
        learning_rate=1e-3,
        average_decay=0.9995,
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


def train(run: cli.Run) -> None:
    """Trains, then writes samples and the report."""
    config = run.config
    restored = run.restore_from and restored_vocabulary(run.restore_from)
    corpus = load_corpus(config, restored or None)
    training.say(corpus.describe())
    model = make_model(config, len(corpus.vocabulary))
    graph, params = nnx.split(model, nnx.Param)
    if run.restore_from:
        params = training.restore_params(run.restore_from, params)
    size = sum(p.size for p in jax.tree.leaves(params))
    training.say(f"{size:,} parameters on {jax.devices()[0].device_kind}.")

    workdir = training.open_workdir(
        run.workdir,
        name="char_lm",
        config=dataclasses.asdict(config),
        may_change=training.MAY_CHANGE,
        extra={"vocabulary": corpus.vocabulary.to_json()},
    )
    loss_fn = make_loss(config, graph)
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
    eval_step = training.make_eval_step(loss_fn)
    initial_carry = model.initial_carry(config.batch_size)
    result = training.fit(
        config,
        loss_fn,
        params,
        data.iterator(windows),
        workdir=workdir,
        carry=initial_carry,
        evaluate=lambda params: training.evaluate(eval_step, params, initial_carry, held_out),
        unit=config.level,
    )
    texts = write_samples(
        nnx.merge(graph, training.evaluation_params(result.state)),
        corpus.vocabulary,
        prompt="\n" if "\n" in corpus.vocabulary.symbols else corpus.vocabulary.symbols[1],
        length=600,
        num_samples=3,
    )
    for text in texts:
        training.say(f"{'-' * 72}\n{text}")
    best = result.standing.best_score or float("nan")
    report = training.write_report(
        workdir.path,
        title="Character language model",
        config=workdir.config,
        results={
            f"validation loss, nats/{config.level}": best,
            f"bits/{config.level}": best / math.log(2),
            "parameters": f"{size:,}",
            "updates": result.step,
        },
        sections=[training.Section("Samples", text=f"\n{'-' * 72}\n".join(texts))],
        unit=config.level,
    )
    training.say(f"Report: {report}")


def restored_vocabulary(folder) -> data.Vocabulary:
    """The vocabulary that a checkpoint was trained with."""
    return data.Vocabulary.from_json(training.read_meta(folder).extra["vocabulary"])


def restored_model(run: cli.Run) -> tuple[LanguageModel, data.Vocabulary]:
    """The trained model of a workdir, best checkpoint, and its vocabulary."""
    vocabulary = restored_vocabulary(run.workdir)
    graph, params = nnx.split(make_model(run.config, len(vocabulary)), nnx.Param)
    return nnx.merge(graph, training.restore_params(run.workdir, params)), vocabulary


def write_samples(
    model: LanguageModel,
    vocabulary: data.Vocabulary,
    *,
    prompt: str,
    length: int,
    num_samples: int,
    seed: int = 0,
    temperature: float = 0.8,
    top_k: int = 0,
    top_p: float = 1.0,
    stop: str | None = None,
) -> list[str]:
    """Texts that begin with the prompt, written by the model.

    Raises:
        UserError: the prompt is empty or has characters that the vocabulary lacks.
    """
    if not prompt:
        raise UserError("--prompt is empty: give at least one character to go on from")
    for flag, text in (("--prompt", prompt), ("--stop", stop or "")):
        if unknown := vocabulary.unknown_in(text):
            raise UserError(
                f"{flag} has characters that the training text does not: {unknown!r}. "
                "A model trained with --config.level=byte takes any text."
            )
    graph, params = nnx.split(model)
    tokens = jnp.tile(vocabulary.encode(prompt)[:, None], (1, num_samples))

    @jax.jit
    def draw(params, tokens, key):
        return decode.sample(
            lambda params, carry, tokens: nnx.merge(graph, params).step(tokens, carry),
            params,
            nnx.merge(graph, params).initial_carry(num_samples),
            tokens,
            length=length,
            key=key,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            stop=None if stop is None else int(vocabulary.encode(stop)[0]),
        )

    drawn, valid = jax.device_get(draw(params, tokens, jax.random.key(seed)))
    return [
        prompt + vocabulary.decode(column[kept])
        for column, kept in zip(drawn.T, valid.T, strict=True)
    ]


def sample(run: cli.Run) -> None:
    """Prints texts that go on from the prompt."""
    model, vocabulary = restored_model(run)
    texts = write_samples(
        model,
        vocabulary,
        prompt=_PROMPT.value,
        length=_LENGTH.value,
        num_samples=_NUM_SAMPLES.value,
        seed=run.config.seed,
        temperature=_TEMPERATURE.value,
        top_k=_TOP_K.value,
        top_p=_TOP_P.value,
        stop=_STOP.value,
    )
    print(f"\n{'-' * 72}\n".join(texts))


def evaluate(run: cli.Run) -> None:
    """Prints the loss of a whole split, read from its beginning to its end."""
    model, vocabulary = restored_model(run)
    splits = load_corpus(run.config, vocabulary).splits
    if _SPLIT.value not in splits:
        raise UserError(f"unknown --split={_SPLIT.value}; {did_you_mean(_SPLIT.value, splits)}")
    graph, params = nnx.split(model, nnx.Param)
    batch_size = _EVAL_BATCH.value or run.config.batch_size
    windows = data.EvaluationWindows(
        splits[_SPLIT.value], batch_size=batch_size, window=run.config.window
    )
    result = training.evaluate(
        training.make_eval_step(make_loss(run.config, graph)),
        params,
        model.initial_carry(batch_size),
        windows,
    )
    loss, unit = result["loss"], run.config.level
    print(
        f"{_SPLIT.value}: {loss:.4f} nats/{unit}, {loss / math.log(2):.4f} bits/{unit}, "
        f"perplexity {math.exp(loss):.3f}, over {result['count']:,.0f} {unit}s"
    )


if __name__ == "__main__":
    cli.main(
        "char_lm",
        presets=PRESETS,
        modes={"train": train, "sample": sample, "evaluate": evaluate},
    )
