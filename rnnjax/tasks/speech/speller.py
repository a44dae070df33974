"""A network that spells what it hears: a decoder attends to the outputs of the layers."""

import jax.numpy as jnp
from flax import nnx

from rnnjax.cells.cell import split_key
from rnnjax.losses import cross_entropy
from rnnjax.models.decoder import Decoder, shift_right
from rnnjax.models.memory import Memory
from rnnjax.tasks.speech.config import SpeechConfig
from rnnjax.tasks.speech.network import SpeechNetwork, hear, make_layers
from rnnjax.training.step import Metrics
from rnnjax.typing import Array, Batch, PRNGKey

END = 0
"""Stands before and behind every text; the symbols of a text are from 1."""


class Speller(Decoder):
    """A decoder with soft attention over the steps of the layers of `SpeechNetwork`.

    Its attention is additive and knows where it has been (`heads.attention.coverage`): the same
    sound comes more than once.

    References:
        Chan, Jaitly, Le & Vinyals 2016, "Listen, attend and spell". Attention that knows where it
        was: Chorowski et al. 2015, "Attention-based models for speech recognition", section 2.1.
    """

    def __init__(self, config: SpeechConfig, num_symbols: int, *, rngs: nnx.Rngs):
        """Draws the parameters.

        Args:
            num_symbols: without the end.
        """
        layers = make_layers(config, rngs)
        super().__init__(
            1 + num_symbols,
            config.network(num_layers=1, dropout=0.0),
            context="soft",
            scorer="coverage",
            memory_size=layers[-1].output_size,
            embed_size=config.hidden_size,
            attention_size=config.hidden_size,
            dropout=config.dropout,
            compute_dtype=config.operand_dtype,
            rngs=rngs,
        )
        self.layers, self.factors = layers, config.factors

    def memory(self, features: Array, frames: Array, key: PRNGKey | None = None) -> Memory:
        """The memory of features `[T, B, D]`, of which the first `frames` `[B]` count."""
        heard, steps = hear(self.layers, self.factors, features, frames, key)
        return self.make_memory(jnp.swapaxes(heard, 0, 1), jnp.arange(len(heard)) < steps[:, None])

    def loss(
        self, features: Array, frames: Array, batch: Batch, key: PRNGKey | None = None
    ) -> tuple[Array, Array, Metrics]:
        """The negative log-likelihood of texts and their ends, and the symbols that count."""
        key_layers, *keys = split_key(key, 5)
        row = jnp.arange(1 + len(batch["symbols"]))[:, None]
        symbols = jnp.pad(batch["symbols"], ((0, 1), (0, 0)))
        targets = jnp.where(row < batch["num_symbols"], symbols, END)
        mask = (row <= batch["num_symbols"]) & (batch["lengths"] > 0)
        memory = self.memory(features, frames, key_layers)
        logits = self.teacher_forced(memory, shift_right(targets, END), keys).logits
        return *cross_entropy(logits, targets, mask), {}


def make_model(config: SpeechConfig, num_symbols: int) -> SpeechNetwork | Speller:
    """The network of a config, with fresh parameters."""
    kind = Speller if config.output == "attention" else SpeechNetwork
    return kind(config, num_symbols, rngs=nnx.Rngs(config.seed))
