"""A network that answers questions about images: what it answers, and where it looked."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import training
from rnnjax.data.images import read_image
from rnnjax.data.padded_batches import EvaluationBatches, in_order
from rnnjax.data.question_vocabulary import QuestionVocabulary, words_of
from rnnjax.errors import UserError
from rnnjax.losses import cross_entropy
from rnnjax.metrics.answers import Answered
from rnnjax.models.hop import likeliest
from rnnjax.tasks.vqa.config import VqaConfig
from rnnjax.tasks.vqa.network import StackedAttention
from rnnjax.tasks.vqa.preparation import asked_examples
from rnnjax.tasks.vqa.questions import AskedImage, Question
from rnnjax.typing import Array, Batch


def make_model(config: VqaConfig, vocabulary: QuestionVocabulary) -> StackedAttention:
    """The network of a config, with fresh parameters; the vocabulary decides words and answers."""
    return StackedAttention(
        len(vocabulary.answers),
        config.network(dropout=0.0),
        vocab_size=len(vocabulary),
        embed_size=config.embed_size,
        image_size=config.image_size,
        feature_size=config.feature_size,
        attention_size=config.attention_size,
        hops=config.hops,
        update=config.update,
        dropout=config.dropout,
        compute_dtype=config.operand_dtype,
        rngs=nnx.Rngs(config.seed),
    )


def batch_loss(model: StackedAttention, batch: Batch, key: Array | None) -> training.Loss:
    """The cross entropy of the answers in nats a question, and how many percent are right."""
    question, answer = _words(batch), batch["answer"]
    real = question[0] != 0
    logits, _ = model(batch["image"], question, key=key)
    total, count = cross_entropy(logits, answer, real)
    right = (likeliest(logits)[0] == answer) & (answer > 0)
    work = (question != 0).sum()
    accuracy = 100 * right.sum(where=real)
    return training.Loss(total, count, metrics={"accuracy": accuracy}, work=work)


class VqaModel(NamedTuple):
    """A network with its vocabulary."""

    model: StackedAttention
    vocabulary: QuestionVocabulary
    config: VqaConfig

    def read(self, path: str) -> np.ndarray:
        """An image as the network sees it, uint8 `[side, side, 3]`.

        Raises:
            UserError: it cannot be read.
        """
        policy = self.config.resize
        return read_image(path, size=self.config.image_size, policy=policy)

    def ask(self, image: str | Path | np.ndarray, *questions: str) -> list[Answered]:
        """The answers to questions about an image.

        Args:
            image: a file, or uint8 `[side, side, 3]` as the network sees it, see `read`.
            questions: one or more.

        Raises:
            UserError: the image cannot be read or has another size, or a question has no word.
        """
        name, pixels = "the image", image
        if not isinstance(pixels, np.ndarray):
            name, pixels = str(image), self.read(str(image))
        return self.answer([AskedImage(name, pixels, tuple(map(Question, questions)))])

    def answer(self, images: Sequence[AskedImage]) -> list[Answered]:
        """The answers to questions about images, in their order; known ones are not looked at.

        Raises:
            UserError: an image has another size or no question, or a question no word.
        """
        side = self.config.image_size
        for one in images:
            if one.image.shape != (side, side, 3) or one.image.dtype != np.uint8:
                raise UserError(
                    f"{one.name} is {one.image.dtype} {list(one.image.shape)}: expected uint8 "
                    f"[{side}, {side}, 3]"
                )
            if not one.questions:
                raise UserError(f"{one.name} has no question")
            for question in one.questions:
                if not words_of(question.text):
                    where = question.place or one.name
                    raise UserError(f"{where}: the question {question.text!r} has no word")
        examples = asked_examples(images, self.vocabulary, self.config.questions)
        batches = EvaluationBatches(examples, batch_size=self.config.batch_size)
        found = in_order(training.results_of(_look, self.model, batches), lengths=None)
        said, attention, real = map(np.stack, zip(*found, strict=True))
        return [
            Answered(
                self.vocabulary.answers[int(answer)],
                float(probability),
                looks.reshape(len(looks), *self.model.grid),
            )
            for (answer, probability), looks in zip(said[real], attention[real], strict=True)
        ]


def load(workdir: str | Path, config: VqaConfig | None = None) -> VqaModel:
    """The trained model of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, VqaConfig, config)
    vocabulary = QuestionVocabulary.from_json(stored["vocabulary"])
    model = training.restore_model(workdir, make_model, settings, vocabulary)
    return VqaModel(model, vocabulary, settings)


def _words(batch: Batch) -> Array:
    """Questions `[W, B, K]` of a batch, 0 behind the longest one of each row."""
    words = batch["words"]
    real = jnp.arange(len(words))[:, None] < batch["lengths"]
    return jnp.where(real[..., None], words, 0)


def _look(model: StackedAttention, batch: Batch) -> tuple[Array, Array, Array]:
    """Answers and their probabilities `[B, K, 2]`, attention `[B, K, N, S]`, real ones `[B, K]`."""
    question = _words(batch)
    logits, attention = model(batch["image"], question)
    return jnp.stack(likeliest(logits), axis=-1), attention, question[0] != 0
