"""From images and questions to the batches that a network trains on."""

import hashlib
import itertools
from collections.abc import Sequence

import numpy as np

from rnnjax.data.named_splits import also_in_training
from rnnjax.data.padded_batches import EvaluationBatches, Examples, Ragged, TrainingBatches
from rnnjax.data.prepared import Prepared
from rnnjax.data.question_vocabulary import OTHER, QuestionVocabulary
from rnnjax.tasks.vqa.config import VqaConfig
from rnnjax.tasks.vqa.questions import AskedImage, Splits, questions_of
from rnnjax.tasks.vqa.sources import load_splits


def prepare(config: VqaConfig, vocabulary: QuestionVocabulary | None = None) -> Prepared:
    """Loads the data of a config and makes vocabulary and batches.

    Args:
        vocabulary: one that a model was trained with.

    Raises:
        UserError: the data cannot be used, or the vocabulary lacks an answer.
    """
    splits, note = load_splits(config)
    asked = questions_of(splits["train"])
    vocabulary = vocabulary or QuestionVocabulary.of_questions(
        {one.text for one in asked}, [one.answer for one in asked]
    )
    for one in asked:
        vocabulary.check_answer(one.answer, one.place or f"the question {one.text!r}")
    examples, held_out = (
        asked_examples(splits[split], vocabulary, config.questions)
        for split in ("train", "validation")
    )
    digest = hashlib.sha256()
    for split in ("train", "validation"):
        for image in splits[split]:
            digest.update(image.image.tobytes() + repr([q[:2] for q in image.questions]).encode())
    return Prepared(
        TrainingBatches(examples, batch_size=config.batch_size, seed=config.seed),
        EvaluationBatches(held_out, batch_size=config.batch_size),
        f"{note}.\n{_describe(splits, vocabulary)}",
        splits,
        digest.hexdigest(),
        vocabulary,
    )


def asked_examples(
    images: Sequence[AskedImage], vocabulary: QuestionVocabulary, most: int
) -> Examples:
    """Images and questions in numbers; one with more than K questions is several examples.

    An example holds `image`, uint8 `[side, side, 3]`; `words`, int32 `[W, K]`, 0 behind the end
    of a question and where there is none; `answer`, int32 `[K]`, 0 for OTHER. In a batch, `lengths`
    are those of the longest question of a row.

    Args:
        images: one or more, with one question or more each.
        most: K.
    """
    parts = [(image, group) for image in images for group in _in_equal_parts(image.questions, most)]
    ids = {text: vocabulary.encode(text) for text in {q.text for _, its in parts for q in its}}
    answers = {answer: n for n, answer in enumerate(vocabulary.answers)}
    lengths = np.array([max(len(ids[one.text]) for one in group) for _, group in parts])

    def get(index: int) -> dict[str, np.ndarray]:
        image, group = parts[index]
        words = np.zeros((lengths[index], most), np.int32)
        answer = np.zeros(most, np.int32)
        for k, one in enumerate(group):
            words[: len(ids[one.text]), k] = ids[one.text]
            answer[k] = answers.get(one.answer, answers[OTHER])
        return {"image": image.image, "words": words, "answer": answer}

    return Examples(
        get,
        len(parts),
        {"lengths": Ragged(("words",), lengths)},
        noun="image",
        name_of=lambda n: parts[n][0].name,
    )


def _in_equal_parts(questions: Sequence, most: int) -> list[Sequence]:
    """The questions of an image in as few groups of up to K as there can be, of about one size."""
    count = -(-len(questions) // most)
    ends = [len(questions) * n // count for n in range(count + 1)]
    return [questions[a:b] for a, b in itertools.pairwise(ends)]


def _describe(splits: Splits, vocabulary: QuestionVocabulary) -> str:
    sizes = [
        f"{split} {len(questions_of(its)):,} about {len(its):,} images"
        for split, its in splits.items()
    ]
    words, answers = len(vocabulary.words), len(vocabulary.answers) - 1
    lines = [f"questions: {', '.join(sizes)}.", f"{words:,} words, {answers:,} answers."]
    seen = also_in_training(splits, "images", lambda one: one.image)
    lines += [f"{note}." for note in seen]
    for split, its in splits.items():
        asked = questions_of(its)
        lines += vocabulary.notes(split, [q.text for q in asked], [q.answer for q in asked])
    return "\n".join(lines)
