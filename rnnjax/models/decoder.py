"""A decoder: symbols one after another, each from those before it and a memory."""

from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jax.flatten_util import ravel_pytree

from rnnjax.cells.cell import Cell, check_sizes
from rnnjax.cells.pointwise import drop
from rnnjax.engines.problem import Remat
from rnnjax.errors import UserError, check_known
from rnnjax.heads import attention, copying
from rnnjax.models.hard_attention import DEFAULT_HARD_TRAINING, HardTraining
from rnnjax.models.memory import (
    Glance,
    Memory,
    Reading,
    check_memory,
    hidden_states,
    summary_of,
    with_normalisers,
)
from rnnjax.models.network import Network, float32_linear
from rnnjax.models.recurrent import Recurrent, check_left_to_right
from rnnjax.ranges import check_ids
from rnnjax.typing import Array, Carry, DType, PRNGKey

Context = Literal["initial", "every_step", "soft", "hard"]
"""How a decoder reads its memory; see `Decoder`."""


class Decoder(Network):
    """Symbols one after another, each from those before it and a memory of S positions.

    With a_i the vector of position i, ``a`` the memory's summary (the mean of all a_i unless it is
    given), the previous symbol's vector x_t, a cell f of hidden state h_t, and tanh layers g:

    - initial:     ``h_0 = g(a)``, then the memory is not read again;
    - every_step:  ``h_0 = 0``, ``h_t = f([x_t, a], h_t-1)``;
    - soft:        ``h_0 = g(a)``, ``h_t = f([x_t, z_t], h_t-1)``, where
      ``z_t = beta_t sum_i alpha_ti a_i``, ``beta_t = sigmoid(w . h_t-1 + b)`` and
      ``alpha_t = softmax(e_t)`` of an attention scorer for the query [h_t-1, x_t];
    - hard:        the same with one position drawn from alpha_t (at decoding: the likeliest).

    The next symbol is scored by a deep output layer,
    ``logits_t = L_o dropout(tanh(x_t + L_h h_t + L_z z_t))``; without attention there is no z. For
    h of a deep cell the hidden states of all layers are joined. Scorer `dot` has the hidden state
    of the top layer alone as its query. What a scorer returns besides the scores stands in z_t
    after the sum.

    The query of the papers is h_t-1 alone. With x_t in it the attention knows which symbol it has
    to follow up.

    With input feeding a decoder that attends reads also its attentional vector of the step before,
    ``v_t = tanh(x_t + L_h h_t + L_z z_t)``, at first 0: ``h_t = f([x_t, v_t-1, z_t], h_t-1)``.

    A decoder that copies has ``p_gen = sigmoid(w . [x_t, y_t, z_t] + b)``, y_t the output of the
    cell, and mixes what it generates with what it attends to; see `heads.copying`.

    References:
        initial: Sutskever, Vinyals & Le 2014, "Sequence to sequence learning with neural networks".
        every_step: Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder for
        statistical machine translation". soft: Bahdanau, Cho & Bengio 2015, "Neural machine
        translation by jointly learning to align and translate". hard, and the gate beta: Xu et al.
        2015, "Show, attend and tell", sections 3.1 and 4. Input feeding: Luong, Pham & Manning
        2015, "Effective approaches to attention-based neural machine translation", section 3.3.
        Copying: See, Liu & Manning 2017, "Get to the point: summarization with pointer-generator
        networks", equation 8.
    """

    def __init__(
        self,
        vocab_size: int,
        cell: Cell,
        *,
        context: Context,
        memory_size: int,
        summary_size: int | None = None,
        scorer: str | attention.Scorer = "additive",
        embed_size: int,
        attention_size: int = 64,
        dropout: float = 0.0,
        compute_dtype: DType | None = None,
        copied_as: int | None = None,
        input_feeding: bool = False,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            vocab_size: V.
            cell: any cell with a step.
            memory_size: F, the width of a position.
            summary_size: the width of the summary; None: F.
            scorer: of the attention: additive, coverage, dot, general or a `Scorer`.
            embed_size: D, the width of a symbol's vector.
            attention_size: A, the hidden layer of scorer additive.
            dropout: on symbols' vectors, a mask a sequence, and on the layer before the logits.
            compute_dtype: of the matmul operands of the output layer.
            copied_as: the decoder copies, and this symbol stands for those outside of the
                vocabulary where they are read; None: it does not copy. Context soft.

        Raises:
            UserError: an unknown context or scorer, a scorer that does not fit the sizes, a cell
                that is bidirectional, or a size that is no positive integer.
        """
        check_sizes(vocab_size=vocab_size, memory_size=memory_size, embed_size=embed_size)
        check_known("context", context, get_args(Context))
        check_left_to_right(cell, "a decoder")
        if copied_as is not None and context != "soft":
            raise UserError(f"copying follows soft attention; got context {context!r}")
        self.context, self.dropout, self.memory_size = context, dropout, memory_size
        self.attends, self.copied_as = context in ("soft", "hard"), copied_as
        if input_feeding and not self.attends:
            raise UserError(f"input feeding needs attention; got context {context!r}")
        self.input_feeding = input_feeding
        if isinstance(scorer, str):
            scorer = attention.named_scorer(scorer, attention_size)
        self.scorer = scorer
        summary_size = summary_size or memory_size
        read_size = memory_size + scorer.extra_size if self.attends else summary_size
        self.embed = nnx.Embed(vocab_size, embed_size, rngs=rngs)
        input_size = embed_size if context == "initial" else embed_size + read_size
        input_size += embed_size if input_feeding else 0
        self.recurrent = Recurrent(cell, input_size, rngs=rngs)
        zeros = self.recurrent.initial_carry(1)
        carry_size = sum(x.size for x in jax.tree.leaves(zeros))
        self.first = (
            None if context == "every_step" else nnx.Linear(summary_size, carry_size, rngs=rngs)
        )
        if self.attends:
            hidden_sizes = [state.shape[-1] for state in hidden_states(zeros)]
            hidden_size = sum(hidden_sizes)
            query_size = hidden_sizes[-1] if scorer.of_top_state else hidden_size + embed_size
            self.attention = nnx.Param(scorer.init(rngs.params(), memory_size, query_size))
            self.gate = nnx.Linear(hidden_size, 1, rngs=rngs)
            self.from_seen = nnx.Linear(read_size, embed_size, use_bias=False, rngs=rngs)
        self.from_hidden = nnx.Linear(self.recurrent.output_size, embed_size, rngs=rngs)
        self.head = float32_linear(embed_size, vocab_size, compute_dtype, rngs=rngs)
        if copied_as is not None:
            known = embed_size + self.recurrent.output_size + read_size
            self.generate = nnx.Linear(known, 1, rngs=rngs)

    def make_memory(
        self, features: Array, mask: Array | None = None, summary: Array | None = None
    ) -> Memory:
        """Prepares features to be read.

        Args:
            features: `[B, S, F]`. Where the mask is False they may hold anything, NaN too.
            mask: bool `[B, S]`, True at positions that count; None: all count.
            summary: `[B, C]`; None: the mean of the positions that count.

        Raises:
            UserError: a shape or dtype does not fit.
        """
        check_memory(features, mask, self.memory_size)
        if mask is not None:
            features = jnp.where(mask[..., None], features, 0)
        if not self.attends:
            return Memory(features, mask, summary)
        prepared = self.scorer.prepare(self.attention.get_value(), features)
        return Memory(features, mask, summary, prepared)

    def initial_carry(self, memory: Memory) -> Carry:
        """The carry before the first symbol of each of B examples.

        That of the cell; of a scorer that covers a pair with the weights so far, summed `[B, S]`;
        with input feeding a pair of this and the attentional vector `[B, D]`.
        """
        carry = self.recurrent.initial_carry(len(memory.features))
        if self.first is not None:
            _, of_numbers = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], carry))
            carry = with_normalisers(jax.vmap(of_numbers)(jnp.tanh(self.first(summary_of(memory)))))
        if self.attends and self.scorer.covers:
            carry = carry, jnp.zeros_like(memory.features[..., 0])
        if self.input_feeding:
            nothing = jnp.zeros((len(memory.features), self.embed.features), memory.features.dtype)
            carry = carry, nothing
        return carry

    def step(
        self,
        memory: Memory,
        carry: Carry,
        tokens: Array,
        key: PRNGKey | None = None,
        hard: HardTraining = DEFAULT_HARD_TRAINING,
    ) -> tuple[Array, Glance, Carry]:
        """One symbol, for decoding; see `models.decoding`.

        Args:
            carry: leaves `[N, ...]`, N a multiple of B: N / B sequences of each example in a row.
            tokens: int `[N]`, the previous symbols.
            key: to draw the position of hard attention instead of taking the likeliest.

        Returns:
            Logits `[N, V]`, the glance, the next carry. Of a decoder that copies the logits are
            log-probabilities `[N, V + S]`.
        """
        x_t = self._embed(memory, tokens)
        everywhere = jnp.ones(len(tokens), bool)
        carry, (y_t, z_t, glance) = self._advance(memory, carry, x_t, key, hard, everywhere)
        logits = self._score(x_t, y_t, z_t)
        if self.copied_as is not None:
            generate, symbols = self._copying(memory, x_t, y_t, z_t)
            logits = copying.log_probabilities(logits, generate, glance.scores, symbols)
            glance = glance._replace(generate=jax.nn.sigmoid(generate))
        return logits, glance, carry

    def teacher_forced(
        self,
        memory: Memory,
        before: Array,
        keys: Sequence[PRNGKey | None] = (None,) * 4,
        hard: HardTraining = DEFAULT_HARD_TRAINING,
        *,
        remat: Remat = "none",
    ) -> Reading:
        """Scores each symbol of given sequences given those before it.

        Args:
            before: int `[T, B]`, the previous symbol at each step; see `shift_right`.
            keys: four, of `split_key`, turn on the noise of training: dropout on vectors; that of
                the cell, or of drawing positions; dropout before the logits; who reads softly.
            remat: as for `rnnjax.unroll`; with attention, "gates" computes each step again in the
                backward pass, and there is no "sqrt".

        Raises:
            UserError: there is no such remat.
        """
        key_embedded, key_steps, key_output, key_soft = keys
        with jax.named_scope("embed"):
            xs = self._embed(memory, before)
            xs = drop(xs, self.dropout, key_embedded, xs.shape[1:])
        carry = self.initial_carry(memory)
        drawn = jnp.zeros(before.shape[1], bool)
        if not self.attends:
            inputs = xs
            if self.context == "every_step":
                summary = summary_of(memory)
                read = jnp.broadcast_to(summary, (*xs.shape[:2], summary.shape[-1]))
                inputs = jnp.concatenate([xs, read], axis=-1)
            _, ys = self.recurrent(inputs, carry, key=key_steps, remat=remat)
            return Reading(self._score(xs, ys, None, key_output), Glance(), drawn)
        if remat not in ("none", "gates"):
            raise UserError(f"remat with attention is 'none' or 'gates'; got {remat!r}")
        if key_soft is not None and self.context == "hard":
            drawn = ~jax.random.bernoulli(key_soft, hard.soft_rate, drawn.shape)

        def advance(carry, step):
            x_t, key_t = step
            return self._advance(memory, carry, x_t, key_t, hard, drawn)

        if remat == "gates":
            advance = jax.checkpoint(advance, prevent_cse=False)
        step_keys = None if key_steps is None else jax.random.split(key_steps, len(xs))
        with jax.named_scope("scan"):
            _, (ys, zs, glances) = jax.lax.scan(advance, carry, (xs, step_keys))
        copied = None if self.copied_as is None else self._copying(memory, xs, ys, zs)
        return Reading(self._score(xs, ys, zs, key_output), glances, drawn, copying=copied)

    def _embed(self, memory, tokens):
        size = self.embed.num_embeddings
        if self.copied_as is None:
            check_ids("tokens", tokens, size)
            return self.embed(tokens)
        check_ids("tokens", tokens, size + memory.features.shape[1])
        tokens = tokens.astype(jnp.int32)  # uint8 does not hold V
        return self.embed(jnp.where(tokens < size, tokens, self.copied_as))

    def _copying(self, memory, xs, ys, zs):
        if memory.symbols is None:
            raise UserError("a decoder that copies takes sources with symbols; got none")
        known = jnp.concatenate([xs, ys, zs], axis=-1)
        return self.generate(known)[..., 0], memory.symbols

    def _advance(self, memory, carry, x_t, key, hard, drawn):
        if not self.attends:
            if self.context == "every_step":
                summary = summary_of(memory)
                read = jnp.repeat(summary, len(x_t) // len(summary), axis=0)
                x_t = jnp.concatenate([x_t, read], axis=-1)
            carry, y_t = self.recurrent.step(x_t, carry)
            return carry, (y_t, None, Glance())
        carry, *fed = carry if self.input_feeding else (carry,)
        carry, *covered = carry if self.scorer.covers else (carry,)
        states = hidden_states(carry)
        hidden = jnp.concatenate(states, axis=-1)
        query = states[-1] if self.scorer.of_top_state else jnp.concatenate([hidden, x_t], axis=-1)
        params = self.attention.get_value()
        scores, extra = self.scorer.scores(params, memory.prepared, query, *covered)
        mask = memory.mask
        if mask is not None:
            mask = jnp.repeat(mask, len(query) // len(mask), axis=0)
            scores = attention.masked(scores, mask)
        weights = jax.nn.softmax(scores)
        if self.context == "hard":
            if key is None:
                weights = attention.chosen(scores)
            else:
                if hard.gradient == "gumbel":
                    choice = attention.straight_through(scores, key, hard.temperature)
                else:
                    choice = attention.chosen(scores, key)
                weights = jnp.where(drawn[:, None], choice, weights)
        if mask is not None:
            weights = jnp.where(mask, weights, 0)
        gate = jax.nn.sigmoid(self.gate(hidden))
        z_t = gate * attention.expected(weights, memory.features)
        if extra is not None:
            z_t = jnp.concatenate([z_t, extra], axis=-1)
        carry, y_t = self.recurrent.step(jnp.concatenate([x_t, *fed, z_t], axis=-1), carry)
        if covered:
            carry = carry, covered[0] + weights
        if fed:
            carry = carry, self._attentional(x_t, y_t, z_t)
        return carry, (y_t, z_t, Glance(weights, scores, gate[:, 0]))

    def _attentional(self, xs, ys, zs):
        told = xs + self.from_hidden(ys)
        if zs is not None:
            told = told + self.from_seen(zs)
        return jnp.tanh(told)

    @jax.named_scope("head")
    def _score(self, xs, ys, zs, key=None):
        told = self._attentional(xs, ys, zs)
        return self.head(drop(told, self.dropout, key, told.shape))


def shift_right(tokens: Array, start: int) -> Array:
    """The previous symbol at each step of sequences `[T, B]`, `start` at the first."""
    return jnp.concatenate([jnp.full_like(tokens[:1], start), tokens[:-1]])
