"""What training asks of a tagger: the loss and the F1 of a held-out split."""

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx

from rnnjax import training
from rnnjax.data.padded_batches import EvaluationBatches, in_order
from rnnjax.tasks.tagging.config import TaggingConfig
from rnnjax.tasks.tagging.entity_scores import entity_scores
from rnnjax.tasks.tagging.preparation import Prepared, tagged_examples
from rnnjax.tasks.tagging.tagger import best_tags, tagging_loss
from rnnjax.tasks.tagging.text_tagger import in_bio, run_over


def make_loss(graph: nnx.GraphDef) -> training.LossFn:
    """Makes the loss of a batch: in nats a sentence, while the speed is counted in tokens.

    Args:
        graph: of the tagger.
    """

    def loss_fn(
        params: Any, carry: Any, batch: dict[str, jax.Array], key: jax.Array | None
    ) -> training.Loss:
        total, count = tagging_loss(nnx.merge(graph, params), batch, key)
        return training.Loss(total, count, carry, work=batch["lengths"].sum())

    return loss_fn


def make_evaluation(
    config: TaggingConfig,
    graph: nnx.GraphDef,
    prepared: Prepared,
    placement: training.Placement = training.LOCAL,
) -> Callable[[Any], dict[str, float]]:
    """Makes the function that judges parameters on the validation split.

    Args:
        config: of the run.
        graph: of the tagger.
        prepared: its data.
        placement: where the parameters live.

    Returns:
        ``(params) -> {"loss", "f1", "precision", "recall"}``: the loss in nats a sentence, the
        others over entities, in percent.
    """
    sentences, vocabulary = prepared.corpus.splits["validation"], prepared.vocabulary
    examples = tagged_examples(sentences, vocabulary, prepared.buckets)
    batches = list(EvaluationBatches(examples, batch_size=config.batch_size))
    gold = [sentence.tags for sentence in sentences]

    @jax.jit
    def judge(params: Any, batch: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        model = nnx.merge(graph, params)
        with placement.tracing():
            loss, _ = tagging_loss(model, batch)
            return placement.keep_whole((loss, best_tags(model, batch)))

    def evaluate(params: Any) -> dict[str, float]:
        results = list(run_over(lambda batch: judge(params, placement.put_whole(batch)), batches))
        loss = sum(float(total) for _, (total, _) in results) / len(sentences)
        ids = in_order((batch, tags) for batch, (_, tags) in results)
        scores = entity_scores(gold, [in_bio(numbers, vocabulary) for numbers in ids]).micro
        found = scores.in_percent()
        return {"loss": loss, **{name: found[name] for name in ("f1", "precision", "recall")}}

    return evaluate
