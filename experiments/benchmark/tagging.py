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
from experiments.benchmark.training import training_step
from rnnjax import data, training
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.heads import crf
from rnnjax.tasks.tagging.config import TaggerConfig, TaggingConfig
from rnnjax.tasks.tagging.preparation import prepare, tagged_examples
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.tagger import Tagger, best_tags, make_tagger
from rnnjax.tasks.tagging.text_tagger import TextTagger, batch_loss
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary

TITLE = "a BiLSTM-CRF with a CNN over characters; shares of the time, and of positions"
SIZE = "T,B,K"
CONFIG = TaggerConfig()
SHAPE = (128, 64, 9)
"""T, B, K of the CRF's share; K tags are those of four types in BIO."""
FOUR_TYPES = ("LOC", "MISC", "ORG", "PER")
NUM_SENTENCES = 10_000
NUM_BATCHES = 50
BATCH_SIZE = 32
NUM_BUCKETS = 5


def suite(repeats: int, source: str) -> list[Row]:
    """All of it, on a corpus that `load_tagged` knows."""
    config = TaggingConfig(data=source, batch_size=BATCH_SIZE, num_buckets=NUM_BUCKETS)
    prepared = prepare(config)
    sentences = [sentence for split in prepared.splits.values() for sentence in split]
    nine_tags = dataclasses.replace(prepared.vocabulary, types=FOUR_TYPES, scheme="BIO")
    return [
        throughput(prepared, repeats),
        *crf_shares(nine_tags, sentences, repeats),
        decoding(prepared.vocabulary, sentences, repeats),
    ]


def throughput(prepared: Any, repeats: int) -> Row:
    """Training on the first batches of an epoch, made by a thread as in real training."""
    num_batches = min(NUM_BATCHES, prepared.batches.batches_per_epoch)
    batches = data.BatchIterator(prepared.batches)
    beginning = batches.get_state()
    step = tagger_step(make_tagger(CONFIG, prepared.vocabulary))

    def train() -> Any:
        batches.set_state(beginning)
        return [step(batch) for batch in itertools.islice(batches, num_batches)][-1]

    times = interleaved({"train": train}, repeats)
    epoch = [prepared.batches[n] for n in range(prepared.batches.batches_per_epoch)]
    longest = max(len(batch["words"]) for batch in epoch)
    tokens = sum(int(batch["lengths"].sum()) for batch in epoch[:num_batches])
    return {
        "what": "training",
        "size": [longest, BATCH_SIZE, len(prepared.vocabulary.tags)],
        "tokens/s": tokens / times["train"],
        "padding share": prepared.batches.padding_share("words"),
    }


def crf_shares(
    vocabulary: TaggingVocabulary, sentences: Sequence[Sentence], repeats: int
) -> list[Row]:
    """The share of the CRF in a training step and in decoding, for one full batch."""
    length, batch_size, _ = SHAPE
    tokens = itertools.cycle(token for sentence in sentences for token in sentence.tokens)
    rows = [Sentence(tuple(itertools.islice(tokens, length)), (), "") for _ in range(batch_size)]
    examples = tagged_examples(rows, vocabulary, [length])
    batch = jax.device_put(EvaluationBatches(examples, batch_size=batch_size)[0])
    model = make_tagger(CONFIG, vocabulary)
    graph, params = nnx.split(model, nnx.Param)
    scores = jax.jit(lambda params, batch: nnx.merge(graph, params)(batch))(params, batch)
    head = crf.init(jax.random.key(0), len(vocabulary.tags))
    lengths, allowed = batch["lengths"], model.allowed()

    def loss(head, scores, tags, lengths):
        return -crf.log_likelihood(head, scores, tags, lengths, allowed=allowed).sum()

    def best(head, scores, lengths):
        return crf.viterbi(head, scores, lengths, allowed=allowed)[0]

    step = tagger_step(model)
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


def decoding(vocabulary: TaggingVocabulary, sentences: Sequence[Sentence], repeats: int) -> Row:
    """Tagging a corpus over and over until there are enough sentences."""
    many = list(itertools.islice(itertools.cycle(sentences), NUM_SENTENCES))
    tagger = TextTagger(make_tagger(CONFIG, vocabulary), vocabulary)
    batch_size = SHAPE[1]
    times = interleaved({"all": lambda: tagger.best_tags(many, batch_size=batch_size)}, repeats)
    return {
        "what": "sentences",
        "size": [max(len(s.tokens) for s in many), batch_size, len(vocabulary.tags)],
        "sentences/s": len(many) / times["all"],
    }


def tagger_step(model: Tagger) -> Callable[[data.Batch], Any]:
    """The whole training step of these presets, as a function that keeps the state to itself."""
    config = TaggingConfig(learning_rate=2e-3, clip_norm=5.0)
    graph, params = nnx.split(model, nnx.Param)
    return training_step(config, training.loss_of_params(graph, batch_loss), params)
