"""A language model made from a config, and its loss."""

from flax import nnx

from rnnjax import training
from rnnjax.models import LanguageModel, window_loss
from rnnjax.tasks.language.config import LanguageConfig


def make_model(config: LanguageConfig, vocab_size: int) -> LanguageModel:
    """The language model of a config, with fresh parameters."""
    return LanguageModel(
        vocab_size,
        config.network(weight_drop=config.weight_drop),
        embed_size=config.embed_size,
        compute_dtype=config.operand_dtype,
        rngs=nnx.Rngs(config.seed),
    )


def make_loss(config: LanguageConfig, graph: nnx.GraphDef) -> training.LossFn:
    """The loss of one window, as training knows it."""

    def loss_fn(params, carry, batch, key):
        window = config.window if key is not None and config.bptt else None
        model = nnx.merge(graph, params)
        total, count, carry = window_loss(
            model, carry, batch, key, window=window, remat=config.remat
        )
        return training.Loss(total, count, carry)

    return loss_fn
