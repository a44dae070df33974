"""Networks that read DNA: the class of a sequence, or the genes in it."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import data, training
from rnnjax.cells.cell import Cell
from rnnjax.data.padded_batches import EvaluationBatches, in_order
from rnnjax.errors import UserError
from rnnjax.heads import crf
from rnnjax.models import SequenceClassifier, classification_loss
from rnnjax.models.network import Network
from rnnjax.models.sequence_classifier import Pooling
from rnnjax.models.sequence_encoder import SequenceEncoder
from rnnjax.tasks.dna.config import DnaConfig
from rnnjax.tasks.dna.gene_states import (
    STATES,
    TAG_OF_STATE,
    exons_of,
    frame_constraints,
    signal_states,
    tags_of,
)
from rnnjax.tasks.dna.nucleotides import PROBABILITIES, kmers, reverse_complement
from rnnjax.tasks.dna.preparation import DnaVocabulary, sequence_examples
from rnnjax.typing import Array, DType, PRNGKey

Batch = dict[str, Array]


class GeneTagger(Network):
    """``scores_t = W [forward_t, backward_t] + b``, and a CRF over `gene_states.STATES`."""

    def __init__(self, cell: Cell, *, input_size: int, compute_dtype: DType | None, rngs: nnx.Rngs):
        """Draws the parameters.

        Args:
            cell: any; directions, layers and dropout are the cell's own.
            input_size: D of a step.
            compute_dtype: of the matmul operands of W; the scores are float32.
            rngs: for the initial parameters.
        """
        self.encoder = SequenceEncoder(cell, input_size=input_size, rngs=rngs)
        self.head = nnx.Linear(
            self.encoder.output_size,
            len(STATES),
            dtype=compute_dtype,
            preferred_element_type=None if compute_dtype is None else jnp.float32,
            rngs=rngs,
        )
        self.crf = nnx.Param(crf.init(rngs.params(), len(STATES)))

    def __call__(self, inputs: Array, mask: Array, key: PRNGKey | None = None) -> Array:
        """Scores each state at each step, `[T, B, K]`; arguments as for `SequenceEncoder`."""
        ys = self.encoder(inputs, mask, key)
        with jax.named_scope("head"):
            return self.head(ys)


def make_model(config: DnaConfig, vocabulary: DnaVocabulary) -> GeneTagger | SequenceClassifier:
    """The network of a config, with fresh parameters."""
    cell = config.network(both_directions=config.bidirectional)
    shared = {
        "input_size": 4**config.kmer + positions_of(config),
        "compute_dtype": config.operand_dtype,
        "rngs": nnx.Rngs(config.seed),
    }
    if config.problem == "genes":
        return GeneTagger(cell, **shared)
    pooling = cast(Pooling, config.pooling)
    return SequenceClassifier(
        len(vocabulary.labels), cell, pooling=pooling, dropout=config.dropout, **shared
    )


def scores_of(
    model: Any,
    config: DnaConfig,
    batch: Batch,
    key: PRNGKey | None = None,
    probabilities: Array | None = None,
) -> Array:
    """What a network says of a batch.

    Args:
        model: the network.
        config: how it reads.
        batch: `bases` int `[T, B]` and `lengths` int `[B]`.
        key: turns on dropout.
        probabilities: of the four bases, `[T, B, 4]`, in place of those of the batch.

    Returns:
        The scores of the states, `[T, B, K]`; or of the classes, `[B, K]`, with `both_strands` the
        mean of those of the two strands.
    """
    bases, lengths = batch["bases"], batch["lengths"]
    mask = jnp.arange(len(bases))[:, None] < lengths
    if probabilities is None:
        probabilities = jnp.asarray(PROBABILITIES)[bases]
    scores = model(inputs_of(probabilities, config), mask, key=key)
    if config.problem == "classes" and config.both_strands:
        other = reverse_complement(probabilities, lengths)
        scores = (scores + model(inputs_of(other, config), mask, key=key)) / 2
    return scores


def inputs_of(probabilities: Array, config: DnaConfig) -> Array:
    """The k-mers around bases, and one-hot the numbers of the steps, `[T, B, D]`."""
    xs = kmers(probabilities, config.kmer)
    if size := positions_of(config):
        numbers = jax.nn.one_hot(jnp.arange(len(xs)), size)[:, None]
        xs = jnp.concatenate([xs, jnp.broadcast_to(numbers, (*xs.shape[:2], size))], axis=-1)
    return xs


def positions_of(config: DnaConfig) -> int:
    """Inputs that are the number of a step: of genes none."""
    return config.positions if config.problem == "classes" else 0


def field_of(model: GeneTagger, config: DnaConfig, batch: Batch, scores: Array) -> tuple[Any, ...]:
    """The arguments of the functions of `heads.crf`: where the signals forbid it, a state has -inf.

    Args:
        model: gives the parameters of the CRF.
        config: `signals` or not.
        batch: as for `scores_of`.
        scores: `[T, B, K]`.
    """
    if config.signals:
        scores = jnp.where(signal_states(batch["bases"]), scores, -jnp.inf)
    return model.crf.get_value(), scores, batch["lengths"]


def make_loss(graph: nnx.GraphDef, config: DnaConfig) -> training.LossFn:
    """The negative log-likelihood: of genes in nats a base, of classes in nats a sequence.

    Its metrics are in percent: `accuracy` of classes; of genes, in an evaluation, `f1` of coding
    bases and `exact`, sequences whose bases all have the right state.
    """

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array | None) -> training.Loss:
        model = nnx.merge(graph, params)
        scores, lengths = scores_of(model, config, batch, key), batch["lengths"]
        if config.problem == "classes":
            total, count, right = classification_loss(scores, batch["label"], lengths > 0)
            return training.Loss(total, count, carry, {"accuracy": 100 * right})
        field, gold = field_of(model, config, batch, scores), batch["states"]
        rules = frame_constraints()
        total = -crf.log_likelihood(field[0], field[1], gold, lengths, allowed=rules).sum()
        if key is not None:
            return training.Loss(total, lengths.sum(), carry)
        found, _ = crf.viterbi(*field, allowed=rules)
        coding, true = (jnp.asarray(TAG_OF_STATE)[its] == 1 for its in (found, gold))
        padding = jnp.arange(len(gold))[:, None] >= lengths
        exact = (((found == gold) | padding).all(axis=0) & (lengths > 0)).sum()
        f1 = 200.0 * (coding & true).sum(), (coding.sum() + true.sum()).astype(jnp.float32)
        metrics = {"f1": f1, "exact": (100.0 * exact, (lengths > 0).sum())}
        return training.Loss(total, lengths.sum(), carry, metrics)

    return loss_fn


class Classified(NamedTuple):
    """What a model says of a sequence: the likeliest class, and the probability of every class."""

    label: str
    probabilities: dict[str, float]


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
    """A trained network.

    Attributes:
        model: the network.
        vocabulary: its problem and its classes.
        config: how it was trained.
    """

    model: GeneTagger | SequenceClassifier
    vocabulary: DnaVocabulary
    config: DnaConfig

    def classify(self, sequences: Sequence[str]) -> list[Classified]:
        """The class of each sequence.

        Raises:
            UserError: the model finds genes, or a sequence cannot be used.
        """
        return self.classes_of(self._examples("classes", sequences))

    def find_genes(self, sequences: Sequence[str]) -> list[Tagged]:
        """The likeliest genes of each sequence.

        Raises:
            UserError: the model says classes, or a sequence cannot be used.
        """
        return self.genes_of(self._examples("genes", sequences))

    def classes_of(self, examples: Sequence[data.Example]) -> list[Classified]:
        """As `classify`, of examples."""
        labels, found = self.vocabulary.labels, self._run(_class_probabilities, examples)
        return [
            Classified(labels[int(row.argmax())], dict(zip(labels, row.tolist(), strict=True)))
            for row in in_order(found, lengths=None)
        ]

    def genes_of(self, examples: Sequence[data.Example]) -> list[Tagged]:
        """As `find_genes`, of examples."""
        results = list(self._run(_states_and_coding, examples))
        tags = map(tags_of, in_order((batch, its[0]) for batch, its in results))
        coding = in_order((batch, its[1]) for batch, its in results)
        return [Tagged(t, c, exons_of(t)) for t, c in zip(tags, coding, strict=True)]

    def relevance(self, examples: Sequence[data.Example], state: str = "") -> list[np.ndarray]:
        """Gradient times input: what each base adds to a score, `[T, 4]` for each example.

        Args:
            examples: of a split.
            state: of genes, such as donor: the score is that of the first such state of the tags,
                above the mean of all states there. Of classes: that of the likeliest class, above
                the mean of all classes.
        """
        function = functools.partial(_gradient_times_input, state=state)
        return in_order(self._run(function, examples))

    def _examples(self, problem: str, sequences: Sequence[str]) -> list[data.Example]:
        if self.vocabulary.problem != problem:
            raise UserError(
                f"this model was trained with --config.problem={self.vocabulary.problem}: it gives "
                f"no {problem}"
            )
        return [data.Example({"sequence": s}, f"sequence {n}") for n, s in enumerate(sequences, 1)]

    def _run(
        self, function: Any, examples: Sequence[data.Example]
    ) -> Iterator[tuple[data.Batch, Any]]:
        graph, params = nnx.split(self.model, nnx.Param)
        its = sequence_examples(examples, self.config, self.vocabulary)
        rows = min(self.config.batch_size, its.size)
        for batch in EvaluationBatches(its, batch_size=rows):
            yield batch, _apply(function, graph, self.config, params, batch)


def load(workdir: str | Path, config: DnaConfig | None = None) -> DnaModel:
    """The trained model of a run, best checkpoint.

    Args:
        workdir: of the run.
        config: of the run, where it is known.

    Raises:
        UserError: there is no intact checkpoint.
    """
    stored_config, stored = training.read_run(workdir, DnaConfig)
    config = config or stored_config
    vocabulary = DnaVocabulary.from_json(stored["vocabulary"])
    return DnaModel(
        training.restore_model(workdir, make_model, config, vocabulary), vocabulary, config
    )


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _apply(function: Any, graph: nnx.GraphDef, config: DnaConfig, params: Any, batch: Batch) -> Any:
    return function(nnx.merge(graph, params), config, batch)


def _class_probabilities(model: Any, config: DnaConfig, batch: Batch) -> Array:
    return jax.nn.softmax(scores_of(model, config, batch))


def _states_and_coding(model: Any, config: DnaConfig, batch: Batch) -> tuple[Array, Array]:
    field = field_of(model, config, batch, scores_of(model, config, batch))
    rules = frame_constraints()
    marginals = crf.marginals(*field, allowed=rules)
    return crf.viterbi(*field, allowed=rules)[0], marginals[..., TAG_OF_STATE == 1].sum(axis=-1)


def _gradient_times_input(model: Any, config: DnaConfig, batch: Batch, state: str) -> Array:
    def score(probabilities: Array) -> Array:
        scores = scores_of(model, config, batch, probabilities=probabilities)
        if config.problem == "classes":
            return (scores.max(axis=-1) - scores.mean(axis=-1)).sum()
        rows = jnp.arange(scores.shape[1])
        wanted = jnp.array([name.startswith(state) for name in STATES])[batch["states"]]
        at = wanted.argmax(axis=0)
        chosen = scores[at, rows, batch["states"][at, rows]] - scores[at, rows].mean(axis=-1)
        return jnp.where(wanted.any(axis=0), chosen, 0).sum()

    probabilities = jnp.asarray(PROBABILITIES)[batch["bases"]]
    return probabilities * jax.grad(score)(probabilities)
