"""The networks of the task: a tagger of genes with a CRF, or a classifier; and their loss."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax import training
from rnnjax.cells.cell import Cell
from rnnjax.heads import crf
from rnnjax.models import SequenceClassifier, classification_loss
from rnnjax.models.network import Network, float32_linear
from rnnjax.models.sequence_encoder import SequenceEncoder
from rnnjax.tasks.dna.config import DnaConfig
from rnnjax.tasks.dna.gene_states import STATES, TAG_OF_STATE, frame_constraints, signal_states
from rnnjax.tasks.dna.nucleotides import PROBABILITIES, kmers, reverse_complement
from rnnjax.tasks.dna.preparation import DnaVocabulary
from rnnjax.typing import Array, Batch, DType, PRNGKey


class GeneTagger(Network):
    """``scores_t = W [forward_t, backward_t] + b``, and a CRF over `gene_states.STATES`."""

    def __init__(self, cell: Cell, *, input_size: int, compute_dtype: DType | None, rngs: nnx.Rngs):
        """Draws the parameters.

        Args:
            cell: any; directions, layers and dropout are the cell's own.
            input_size: D of a step.
            compute_dtype: of the matmul operands of W; the scores are float32.
        """
        self.encoder = SequenceEncoder(cell, input_size=input_size, rngs=rngs)
        self.head = float32_linear(self.encoder.output_size, len(STATES), compute_dtype, rngs=rngs)
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
    return SequenceClassifier(
        len(vocabulary.labels), cell, pooling=config.pooling, dropout=config.dropout, **shared
    )


def scores_of(
    model: Any,
    config: DnaConfig,
    batch: Batch,
    key: PRNGKey | None = None,
    probabilities: Array | None = None,
) -> Array:
    """The scores of a network for a batch.

    Args:
        batch: `bases` int `[T, B]` and `lengths` int `[B]`.
        key: turns on dropout.
        probabilities: of the four bases, `[T, B, 4]`, in place of those of the batch.

    Returns:
        The scores of the states, `[T, B, K]`; or of the classes, `[B, K]`, with `both_strands` the
        mean of those of the two strands.
    """
    bases, lengths = _bases(batch), batch["lengths"]
    mask = jnp.arange(len(bases))[:, None] < lengths
    if probabilities is None:
        probabilities = jnp.asarray(PROBABILITIES)[bases]
    scores = model(inputs_of(probabilities, config), mask, key=key)
    if config.problem == "classes" and config.both_strands:
        other = reverse_complement(probabilities, lengths)
        scores = (scores + model(inputs_of(other, config), mask, key=key)) / 2
    return scores


def _bases(batch: Batch) -> Array:
    """The bases, 0 at padding, which the k-mers and signals of the last steps include."""
    bases = batch["bases"]
    return jnp.where(jnp.arange(len(bases))[:, None] < batch["lengths"], bases, 0)


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
        config: `signals` or not.
        batch: as for `scores_of`.
        scores: `[T, B, K]`.
    """
    if config.signals:
        scores = jnp.where(signal_states(_bases(batch)), scores, -jnp.inf)
    return model.crf.get_value(), scores, batch["lengths"]


def batch_loss(config: DnaConfig, model: Any, batch: Batch, key: Array | None) -> training.Loss:
    """The negative log-likelihood: of genes in nats a base, of classes in nats a sequence.

    Its metrics are in percent: `accuracy` of classes; of genes, in an evaluation, `f1` of coding
    bases and `exact`, sequences whose bases all have the right state.
    """
    scores, lengths = scores_of(model, config, batch, key), batch["lengths"]
    if config.problem == "classes":
        total, count, right = classification_loss(scores, batch["label"], lengths > 0)
        return training.Loss(total, count, metrics={"accuracy": 100 * right})
    field, gold = field_of(model, config, batch, scores), batch["states"]
    rules = frame_constraints()
    total = -crf.log_likelihood(field[0], field[1], gold, lengths, allowed=rules).sum()
    if key is not None:
        return training.Loss(total, lengths.sum())
    found, _ = crf.viterbi(*field, allowed=rules)
    coding, true = (jnp.asarray(TAG_OF_STATE)[its] == 1 for its in (found, gold))
    padding = jnp.arange(len(gold))[:, None] >= lengths
    exact = (((found == gold) | padding).all(axis=0) & (lengths > 0)).sum()
    f1 = 200.0 * (coding & true).sum(), (coding.sum() + true.sum()).astype(jnp.float32)
    share = 100.0 * exact, (lengths > 0).sum()
    return training.Loss(total, lengths.sum(), metrics={"f1": f1, "exact": share})
