"""A language model made from a config, its loss, and its loss over a whole split."""

import functools
import math
import sys
from typing import Any

import optax
from flax import nnx

from rnnjax import data, training
from rnnjax.errors import UserError
from rnnjax.models import LanguageModel, window_loss
from rnnjax.tasks.language.config import LanguageConfig
from rnnjax.typing import Array, Batch


def make_model(config: LanguageConfig, vocab_size: int) -> LanguageModel:
    """The language model of a config, with fresh parameters."""
    return LanguageModel(
        vocab_size,
        config.network(weight_drop=config.weight_drop),
        embed_size=config.embed_size,
        compute_dtype=config.operand_dtype,
        rngs=nnx.Rngs(config.seed),
    )


def batch_loss(
    config: LanguageConfig, model: LanguageModel, batch: Batch, key: Array | None, carry: Any
) -> training.Loss:
    """The loss of one window in nats a symbol."""
    window = config.window if key is not None and config.bptt else None
    total, count, carry = window_loss(model, carry, batch, key, window=window, remat=config.remat)
    return training.Loss(total, count, carry)


def perplexity(nats: float) -> float:
    """``exp(nats)`` of a mean loss; infinite where that is beyond all numbers."""
    return math.exp(nats) if nats < math.log(sys.float_info.max) else math.inf


def describe_loss(
    model: LanguageModel,
    config: LanguageConfig,
    corpus: data.Corpus,
    split: str,
    batch_size: int,
    dynamic_learning_rate: float = 0.0,
) -> str:
    """Reads a split from its beginning to its end.

    Args:
        batch_size: B, rows read side by side.
        dynamic_learning_rate: of a gradient step on each window after its score; 0: none.

    Returns:
        Nats and bits a symbol and the perplexity, in a line.

    Raises:
        UserError: a number is out of range, or the loss is not finite.
    """
    graph, params = nnx.split(model, nnx.Param)
    windows = data.EvaluationWindows(
        corpus.splits[split], batch_size=batch_size, window=config.window
    )
    loss_fn = training.loss_of_params(graph, functools.partial(batch_loss, config))
    state = model.initial_carry(batch_size)
    step = training.make_eval_step(loss_fn)
    how, rate = "", dynamic_learning_rate
    if rate:
        if not 0 < rate < math.inf:
            raise UserError(f"--dynamic_learning_rate is 0 or more; got {rate}")
        init, step = training.make_dynamic_eval_step(loss_fn, optax.sgd(rate))
        state = init(params, state)
        how = f", learning from each window after its score (rate {rate:g})"
    result = training.evaluate(step, params, state, windows)
    loss, unit = result["loss"], config.level
    if not math.isfinite(loss):
        raise UserError(f"the loss is {loss}: take a lower --dynamic_learning_rate than {rate:g}")
    return (
        f"{loss:.4f} nats/{unit}, {loss / math.log(2):.4f} bits/{unit}, "
        f"perplexity {perplexity(loss):.3f}, over {result['count']:,.0f} {unit}s{how}"
        + data.told_unknown(corpus.num_unknown(split))
    )
