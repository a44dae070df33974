"""Generating names with a trained model, and saying which class a name belongs to."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from scipy.special import softmax

from rnnjax import decode, training
from rnnjax.data import Vocabulary, bucket_lengths
from rnnjax.data.padded_batches import EvaluationBatches, in_order
from rnnjax.errors import UserError, check_at_least, did_you_mean
from rnnjax.losses import target_log_probability
from rnnjax.tasks.naming.config import NamingConfig
from rnnjax.tasks.naming.generator import NameGenerator, make_model
from rnnjax.tasks.naming.names import Name, clean
from rnnjax.tasks.naming.preparation import END, name_examples
from rnnjax.typing import Array, PRNGKey

UNKNOWN_ID = 0
BATCH_SIZE = 64


class NameModel(NamedTuple):
    """A model of names with its vocabulary and classes.

    Attributes:
        vocabulary: characters and the end symbol.
        class_counts: training names by class, in the order of the classes' numbers; empty: the
            model knows no classes.
    """

    model: NameGenerator
    vocabulary: Vocabulary
    class_counts: dict[str, int]

    def generate(
        self,
        label: str | None = None,
        n: int = 10,
        seed: int | Sequence[int] = 0,
        *,
        max_length: int = 60,
        **filters: Any,
    ) -> list[str]:
        """Draws names, symbol by symbol until the end symbol; the unknown symbol is never drawn.

        Args:
            label: their class; None where the model knows no classes.
            seed: decides all draws; or a seed for each name, which alone decides it.
            max_length: a name that has not ended by then is cut.
            filters: see `rnnjax.decode.filter_logits`.

        Raises:
            UserError: there is no such class, one is needed, or a number is out of range.
        """
        classes = list(self.class_counts)
        if (label is None) == bool(classes) or (label is not None and label not in classes):
            told = "it has no classes" if not classes else did_you_mean(label or "", classes)
            raise UserError(f"this model generates no names of class {label!r}; {told}")
        check_at_least(1, max_length=max_length)
        key = decode.keys_of_seeds(seed, n)
        graph, params = nnx.split(self.model)
        numbers = np.full(n, 0 if label is None else classes.index(label), np.int32)
        tokens, valid = _draw(
            graph, params, numbers, key, length=max_length, stop=self._end, **filters
        )  # fmt: skip
        kept = np.asarray(valid) & (np.asarray(tokens) != self._end)
        rows = zip(np.asarray(tokens).T, kept.T, strict=True)
        return [self.vocabulary.decode(row[there]) for row, there in rows]

    def classify(self, names: Sequence[str]) -> list[dict[str, float]]:
        """The probability of each class for each name, p(c | name), the likeliest first.

        ::

            p(c | name) = p(name | c) p(c) / sum_k p(name | k) p(k)

        p(c) is the share of the class among the training names. Characters that the vocabulary
        lacks are read as the unknown symbol.

        Raises:
            UserError: the model knows no classes; a name is empty, or the vocabulary has none of
                its characters.
        """
        self._check_names(names)
        found = self.posteriors(self.symbol_scores(names))
        ranked = ((row, np.argsort(-row, kind="stable").tolist()) for row in found)
        classes = list(self.class_counts)
        return [{classes[k]: float(row[k]) for k in order} for row, order in ranked]

    def beliefs(self, name: str) -> np.ndarray:
        """p(c | the first t symbols of a name), `[T + 1, K]` for t = 0 .. T; the end is symbol T.

        Raises:
            UserError: as for `classify`.
        """
        self._check_names([name])
        (scores,) = self.symbol_scores([name])
        before = np.zeros((1, scores.shape[1]))
        upto = np.concatenate([before, np.cumsum(scores, axis=0)])
        return self.posteriors(upto[:, None])

    def symbol_scores(self, names: Sequence[str]) -> list[np.ndarray]:
        """log p(symbol | those before it, c), float64 `[T, K]` for each name.

        The end symbol is the last of the T symbols; K is 1 where the model knows no classes.

        Args:
            names: at least one.
        """
        cleaned = [Name(clean(name)) for name in names]
        lengths = [len(name.text) + len(END) for name in cleaned]
        buckets = bucket_lengths(lengths, 4, batch_size=BATCH_SIZE)
        examples = name_examples(cleaned, self.vocabulary, [], buckets)
        batches = EvaluationBatches(examples, batch_size=BATCH_SIZE)
        scored = in_order(training.results_of(_score, self.model, batches))
        return [scores.astype(np.float64) for scores in scored]

    def posteriors(self, scores: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """p(c | name), `[N, K]`, from log p(symbol | those before it, c), `[T, K]` each."""
        counts = np.array(list(self.class_counts.values()), np.float64)
        joint = np.stack([each.sum(axis=0) for each in scores]) + np.log(counts / counts.sum())
        return softmax(joint, axis=1)

    def reads(self, name: str) -> bool:
        """Whether the vocabulary has a character of the name, or the name is empty."""
        return not (text := clean(name)) or bool(self.vocabulary.encode(text).any())

    @property
    def _end(self) -> int:
        return int(self.vocabulary.encode(END)[0])

    def _check_names(self, names: Sequence[str]) -> None:
        if not self.class_counts:
            raise UserError("this model was trained without classes: it does not classify names")
        for name in names:
            if not (text := clean(name)):
                raise UserError("a name is empty: give at least one character")
            if not self.reads(text):
                raise UserError(
                    f"no character of the name {text!r} is in the training names, so nothing says "
                    "which class it belongs to"
                )


def load(workdir: str | Path, config: NamingConfig | None = None) -> NameModel:
    """The trained model of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, NamingConfig, config)
    vocabulary = Vocabulary.from_json(stored["vocabulary"])
    counts = json.loads(stored["classes"])
    model = training.restore_model(workdir, make_model, settings, len(vocabulary), len(counts))
    return NameModel(model, vocabulary, counts)


def _score(model: NameGenerator, batch: dict[str, Array]) -> Array:
    """`[T, B, K]`: one class after the other, which takes the memory of one."""
    inputs, targets = batch["inputs"], batch["targets"]

    def of_class(number: Array) -> Array:
        logits = model(inputs, jnp.full(inputs.shape[1], number))
        return target_log_probability(logits, targets)

    scores = jax.lax.map(of_class, jnp.arange(max(1, model.num_classes)))
    return jnp.moveaxis(scores, 0, -1)


@functools.partial(jax.jit, static_argnums=0, static_argnames=("length", "stop", *decode.FILTERS))
def _draw(
    graph: nnx.GraphDef, params: Any, classes: Array, key: PRNGKey, **options: Any
) -> tuple[Array, Array]:
    def step(params: Any, carry: Any, tokens: Array) -> tuple[Array, Any]:
        logits, carry = nnx.merge(graph, params).step(tokens, carry)
        return logits.at[:, UNKNOWN_ID].set(-jnp.inf), carry

    model = nnx.merge(graph, params)
    prompt = jnp.full((1, len(classes)), model.start)
    return decode.sample(step, params, model.initial_carry(classes), prompt, key=key, **options)
