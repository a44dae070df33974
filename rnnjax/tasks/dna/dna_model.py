"""A trained network that reads DNA: the class of a sequence, the genes in it, what it looks at."""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import data, training
from rnnjax.data.padded_batches import EvaluationBatches, in_order
from rnnjax.errors import UserError
from rnnjax.heads import crf
from rnnjax.models import SequenceClassifier
from rnnjax.models.sequence_classifier import Classified
from rnnjax.tasks.dna.config import DnaConfig
from rnnjax.tasks.dna.gene_states import STATES, TAG_OF_STATE, exons_of, frame_constraints, tags_of
from rnnjax.tasks.dna.networks import GeneTagger, field_of, make_model, scores_of
from rnnjax.tasks.dna.nucleotides import PROBABILITIES
from rnnjax.tasks.dna.preparation import DnaVocabulary, sequence_examples
from rnnjax.typing import Array, Batch


class Tagged(NamedTuple):
    """The genes that a model finds in a sequence of T bases.

    Attributes:
        tags: of each base: O outside, E coding, I intron.
        coding: `[T]`, the probability that a base is coding, given the whole sequence.
        genes: of each gene, the first and the last base of each exon, from 1.
    """

    tags: str
    coding: np.ndarray
    genes: list[tuple[tuple[int, int], ...]]


class DnaModel(NamedTuple):
    """A trained network."""

    model: GeneTagger | SequenceClassifier
    vocabulary: DnaVocabulary
    config: DnaConfig

    def classify(self, sequences: Sequence[str | data.Example]) -> list[Classified]:
        """The class of each sequence.

        Raises:
            UserError: the model finds genes, or a sequence cannot be used.
        """
        examples = self._examples("classes", sequences)
        rows = in_order(self._run(_class_probabilities, examples), lengths=None)
        return [Classified.of(self.vocabulary.labels, row) for row in rows]

    def find_genes(self, sequences: Sequence[str | data.Example]) -> list[Tagged]:
        """The likeliest genes of each sequence.

        Raises:
            UserError: the model says classes, or a sequence cannot be used.
        """
        found = in_order(self._run(_states_and_coding, self._examples("genes", sequences)))
        tags = [tags_of(states) for states, _ in found]
        return [Tagged(t, coding, exons_of(t)) for t, (_, coding) in zip(tags, found, strict=True)]

    def relevance(
        self, examples: Sequence[data.Example], states: Sequence[str] = ("",)
    ) -> list[np.ndarray]:
        """Gradient times input: what each base adds to N scores, `[T, N, 4]` for each example.

        Args:
            states: N of genes, such as donor: the score is that of the first such state of the
                tags, above the mean of all states there. Of classes: the only score is that of the
                likeliest class, above the mean of all classes.
        """
        return in_order(self._run(_gradients_times_input(tuple(states)), examples))

    def _examples(
        self, problem: str, sequences: Sequence[str | data.Example]
    ) -> list[data.Example]:
        if self.vocabulary.problem != problem:
            raise UserError(
                f"this model was trained with --config.problem={self.vocabulary.problem}: it gives "
                f"no {problem}"
            )
        return [
            data.Example({"sequence": one}, f"sequence {n}") if isinstance(one, str) else one
            for n, one in enumerate(sequences, 1)
        ]

    def _run(
        self, function: Any, examples: Sequence[data.Example]
    ) -> Iterator[tuple[data.Batch, Any]]:
        its = sequence_examples(examples, self.config, self.vocabulary)
        batches = EvaluationBatches(its, batch_size=min(self.config.batch_size, its.size))
        return training.results_of(function, self.model, batches, self.config)


def load(workdir: str | Path, config: DnaConfig | None = None) -> DnaModel:
    """The trained model of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, DnaConfig, config)
    vocabulary = DnaVocabulary.from_json(stored["vocabulary"])
    model = training.restore_model(workdir, make_model, settings, vocabulary)
    return DnaModel(model, vocabulary, settings)


def _class_probabilities(model: Any, config: DnaConfig, batch: Batch) -> Array:
    return jax.nn.softmax(scores_of(model, config, batch))


def _states_and_coding(model: Any, config: DnaConfig, batch: Batch) -> tuple[Array, Array]:
    field = field_of(model, config, batch, scores_of(model, config, batch))
    rules = frame_constraints()
    marginals = crf.marginals(*field, allowed=rules)
    return crf.viterbi(*field, allowed=rules)[0], marginals[..., TAG_OF_STATE == 1].sum(axis=-1)


@functools.cache
def _gradients_times_input(states: tuple[str, ...]) -> Callable[..., Array]:
    """The same function for the same states, so that it is compiled once."""

    def relevance(model: Any, config: DnaConfig, batch: Batch) -> Array:
        def scores_of_states(probabilities: Array) -> Array:
            scores = scores_of(model, config, batch, probabilities=probabilities)
            if config.problem == "classes":
                return (scores.max(axis=-1) - scores.mean(axis=-1)).sum(keepdims=True)
            return jnp.stack([_score_of(state, scores, batch["states"]) for state in states])

        probabilities = jnp.asarray(PROBABILITIES)[batch["bases"]]
        return jnp.moveaxis(probabilities * jax.jacrev(scores_of_states)(probabilities), 0, 2)

    return relevance


def _score_of(state: str, scores: Array, true: Array) -> Array:
    rows = jnp.arange(scores.shape[1])
    wanted = jnp.array([name.startswith(state) for name in STATES])[true]
    at = wanted.argmax(axis=0)
    chosen = scores[at, rows, true[at, rows]] - scores[at, rows].mean(axis=-1)
    return jnp.where(wanted.any(axis=0), chosen, 0).sum()
