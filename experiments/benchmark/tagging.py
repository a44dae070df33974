"""How fast taggers of the size of `experiments.ner` learn and decode, and what the CRF takes of it.

training    real batches, as long as the corpus' sentences: tokens a second, the share of padding
step        the CRF's loss and its gradient alone, in the time of a whole training step
decode      Viterbi alone, in the time of the whole model from words to tags
sentences   `TextTagger.best_tags` on sentences of mixed length: how many a second
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
from flax import nnx

from experiments.benchmark.report import Row
from experiments.benchmark.suites import interleaved
from experiments.benchmark.training import Task, default_task, rnnjax_step
from rnnjax import data
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.heads import crf
from rnnjax.tasks.tagging.preparation import tagged_examples
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.tagger import best_tags, make_tagger
from rnnjax.tasks.tagging.text_tagger import TextTagger

TITLE = "a BiLSTM-CRF with a CNN over characters; shares of the time, and of positions"
SIZE = "T,B,K"
SETTINGS: dict[str, Any] = {"batch_size": 32, "swap_rate": 0.0, "average_decay": 0.0}
"""What differs from the default preset: nothing but the model's own work is measured."""
SHAPE = (128, 64, 9)
"""T, B, K of the CRF's share; K tags are those of four types in BIO."""
FOUR_TYPES = ("LOC", "MISC", "ORG", "PER")
NUM_SENTENCES = 10_000
NUM_BATCHES = 50


def suite(repeats: int, source: str) -> list[Row]:
    """All of it, on a corpus that `load_tagged` knows."""
    task = default_task("ner", data=source, **SETTINGS)
    sentences = [sentence for split in task.prepared.splits.values() for sentence in split]
    return [
        throughput(task, repeats),
        *crf_shares(task, sentences, repeats),
        decoding(task, sentences, repeats),
    ]


def throughput(task: Task, repeats: int) -> Row:
    """Training on the first batches of an epoch, made by a thread as in real training."""
    prepared = task.prepared
    num_batches = min(NUM_BATCHES, prepared.batches.batches_per_epoch)
    batches = data.BatchIterator(prepared.batches)
    beginning = batches.get_state()
    step = rnnjax_step(task)

    def train() -> Any:
        batches.set_state(beginning)
        return [step(batch) for batch in itertools.islice(batches, num_batches)][-1]

    times = interleaved({"train": train}, repeats)
    epoch = [prepared.batches[n] for n in range(prepared.batches.batches_per_epoch)]
    longest = max(len(batch["words"]) for batch in epoch)
    tokens = sum(int(batch["lengths"].sum()) for batch in epoch[:num_batches])
    return {
        "what": "training",
        "size": [longest, task.config.batch_size, len(prepared.vocabulary.tags)],
        "tokens/s": tokens / times["train"],
        "padding share": prepared.batches.padding_share("words"),
    }


def crf_shares(task: Task, sentences: Sequence[Sentence], repeats: int) -> list[Row]:
    """The share of the CRF in a training step and in decoding, for one full batch."""
    vocabulary = dataclasses.replace(task.prepared.vocabulary, types=FOUR_TYPES, scheme="BIO")
    length, batch_size, _ = SHAPE
    tokens = itertools.cycle(token for sentence in sentences for token in sentence.tokens)
    rows = [Sentence(tuple(itertools.islice(tokens, length)), (), "") for _ in range(batch_size)]
    examples = tagged_examples(rows, vocabulary, [length])
    batch = jax.device_put(EvaluationBatches(examples, batch_size=batch_size)[0])
    model = make_tagger(task.config, vocabulary)
    graph, params = nnx.split(model, nnx.Param)
    scores = jax.jit(lambda params, batch: nnx.merge(graph, params)(batch))(params, batch)
    head = crf.init(jax.random.key(0), len(vocabulary.tags))
    lengths, allowed = batch["lengths"], model.allowed()

    def loss(head, scores, tags, lengths):
        return -crf.log_likelihood(head, scores, tags, lengths, allowed=allowed).sum()

    def best(head, scores, lengths):
        return crf.viterbi(head, scores, lengths, allowed=allowed)[0]

    step = rnnjax_step(task._replace(ours=model))
    gradient = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    decode = jax.jit(lambda params, batch: best_tags(nnx.merge(graph, params), batch))
    viterbi = jax.jit(best)
    calls: dict[str, Callable[[], Any]] = {
        "step": lambda: step(batch),
        "gradient": lambda: gradient(head, scores, batch["tags"], lengths),
        "decode": lambda: decode(params, batch),
        "viterbi": lambda: viterbi(head, scores, lengths),
    }
    times = interleaved(calls, repeats)
    whole = {"step": "gradient", "decode": "viterbi"}
    return [
        {"what": name, "size": list(SHAPE), "CRF share": times[part] / times[name]}
        for name, part in whole.items()
    ]


def decoding(task: Task, sentences: Sequence[Sentence], repeats: int) -> Row:
    """Tagging a corpus over and over until there are enough sentences."""
    many = list(itertools.islice(itertools.cycle(sentences), NUM_SENTENCES))
    tagger = TextTagger(task.ours, task.prepared.vocabulary)
    batch_size = SHAPE[1]
    times = interleaved({"all": lambda: tagger.best_tags(many, batch_size=batch_size)}, repeats)
    return {
        "what": "sentences",
        "size": [max(len(s.tokens) for s in many), batch_size, len(task.prepared.vocabulary.tags)],
        "sentences/s": len(many) / times["all"],
    }
