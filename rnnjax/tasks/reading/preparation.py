"""From questions about stories to the batches that a reader trains on."""

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnjax import data
from rnnjax.data.padded_batches import EvaluationBatches, Examples, Ragged, TrainingBatches
from rnnjax.data.word_vocabulary import RESERVED, by_frequency
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.reading.babi import Question, words_of
from rnnjax.tasks.reading.config import ReadingConfig
from rnnjax.tasks.reading.sources import Splits, load_questions

FIRST_WORD = len(RESERVED)
OTHER = "<other>"
"""The answer with id 0: any that no training question has."""


@dataclasses.dataclass(frozen=True)
class ReadingVocabulary(data.WordVocabulary):
    """Words in lower case, and answers.

    Attributes:
        answers: in the order of their ids, OTHER first.
    """

    answers: tuple[str, ...] = ()

    @classmethod
    def words_of(cls, text: str) -> Sequence[str]:
        """The words of a text, without punctuation marks."""
        return words_of(text)

    def encode(self, text: str) -> np.ndarray:
        """The ids of a text's words, int32; `UNKNOWN_WORD` for those that are not known."""
        return super().encode(text)[:-1]

    def unknown_in(self, texts: Sequence[str]) -> list[str]:
        """The distinct words of some texts that are not known, by code point."""
        return sorted({word for text in texts for word in self.words_of(text)} - {*self.symbols})


class Prepared(NamedTuple):
    """The data of a run.

    Attributes:
        splits: questions by split.
        vocabulary: of the training split, unless one was given.
        vectors: of its words, made elsewhere; None: there are none.
        batches: of the training split.
        validation: batches of the validation split.
        digest: of the training and validation questions.
        description: the sizes, in some lines.
    """

    splits: Splits
    vocabulary: ReadingVocabulary
    vectors: data.Vectors | None
    batches: TrainingBatches
    validation: EvaluationBatches
    digest: str
    description: str


def prepare(config: ReadingConfig, vocabulary: ReadingVocabulary | None = None) -> Prepared:
    """Loads the questions of a config and makes vocabulary and batches.

    Args:
        config: of the run; words of all splits that its file of vectors has are known.
        vocabulary: one that a model was trained with.

    Raises:
        UserError: the questions or the vectors cannot be used, or the vocabulary lacks an answer.
    """
    splits, note = load_questions(config.data, encoding=config.encoding)
    vectors = None
    if config.vectors:
        words = {word for its in splits.values() for text in texts_of(its) for word in
                 words_of(text)}  # fmt: skip
        vectors = data.read_vectors(config.vectors, words, encoding=config.encoding)
    vocabulary = vocabulary or _vocabulary(splits["train"], vectors)
    for one in splits["train"]:
        if one.answer not in vocabulary.answers:
            raise UserError(
                f"{one.place} has the answer {one.answer!r}, which the restored model does not "
                f"know: {did_you_mean(one.answer, vocabulary.answers[1:])}"
            )
    lengths = [len(one.story) for one in splits["train"]]
    buckets = data.bucket_lengths(lengths, config.num_buckets, batch_size=config.batch_size)
    examples = question_examples(splits["train"], vocabulary, buckets)
    batches = TrainingBatches(examples, batch_size=config.batch_size, seed=config.seed)
    held_out = question_examples(splits["validation"], vocabulary, buckets)
    validation = EvaluationBatches(held_out, batch_size=config.batch_size)
    content = [one[:4] for split in ("train", "validation") for one in splits[split]]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    description = f"{note}.\n{_describe(splits, vocabulary)}"
    if vectors is not None:
        description += f"\n{vectors.coverage(vocabulary.symbols[FIRST_WORD:])}."
    return Prepared(splits, vocabulary, vectors, batches, validation, digest, description)


def question_examples(
    questions: Sequence[Question],
    vocabulary: ReadingVocabulary,
    buckets: Sequence[int] | None = None,
) -> Examples:
    """Questions in numbers.

    An example holds, with W the length of the longest sentence of all: `story` int32 `[S, W]`, 0
    behind the end of a sentence; `facts` bool `[S]`; `question` int32 `[Q]`; `answer` int32, 0 for
    OTHER. In a batch, `lengths` are those of stories and `question_lengths` those of questions.

    Args:
        questions: one or more, each with a story and a word.
        vocabulary: turns words and answers into numbers.
        buckets: numbers of sentences to pad to, ascending; None: all have that of the longest.
    """
    ids = {text: vocabulary.encode(text) for text in texts_of(questions)}
    width = max(len(ids[text]) for one in questions for text in one.story)
    padded = {text: np.pad(its[:width], (0, max(0, width - len(its)))) for text, its in ids.items()}
    answers = {answer: np.asarray(n, np.int32) for n, answer in enumerate(vocabulary.answers)}

    def get(index: int) -> dict[str, np.ndarray]:
        one = questions[index]
        return {
            "story": np.stack([padded[text] for text in one.story]),
            "facts": np.isin(np.arange(len(one.story)), one.facts),
            "question": ids[one.text],
            "answer": answers.get(one.answer, answers[OTHER]),
        }

    lengths = np.array([len(one.story) for one in questions])
    question_lengths = np.array([len(ids[one.text]) for one in questions])
    ragged = {
        "lengths": Ragged(("story", "facts"), lengths, buckets),
        "question_lengths": Ragged(("question",), question_lengths),
    }
    return Examples(
        get, len(questions), ragged, noun="question", name_of=lambda n: questions[n].place
    )


def texts_of(questions: Sequence[Question]) -> set[str]:
    """The distinct sentences and questions."""
    return {text for one in questions for text in (*one.story, one.text)}


def _vocabulary(questions: Sequence[Question], vectors: data.Vectors | None) -> ReadingVocabulary:
    made = ReadingVocabulary.of(sorted(texts_of(questions)))
    extra = sorted({word.lower() for word in vectors.words} - {*made.symbols}) if vectors else []
    counts = Counter(one.answer for one in questions)
    answers = (OTHER, *by_frequency(counts, counts))
    return dataclasses.replace(made, symbols=(*made.symbols, *extra), answers=answers)


def _describe(splits: Splits, vocabulary: ReadingVocabulary) -> str:
    sizes = [
        f"{split} {len(its):,} about {len({one.story_number for one in its}):,} stories"
        for split, its in splits.items()
    ]
    lines = [
        f"questions: {', '.join(sizes)}.",
        f"{len(vocabulary) - FIRST_WORD:,} words, {len(vocabulary.answers) - 1:,} answers.",
    ]
    for split, its in splits.items():
        if unknown := vocabulary.unknown_in([*texts_of(its)]):
            lines.append(f"{len(unknown):,} words of {split} are unknown: {', '.join(unknown):.80}")
        if others := sorted({one.answer for one in its} - {*vocabulary.answers}):
            lines.append(
                f"{len(others):,} answers of {split} are those of no training question and count "
                f"as wrong: {', '.join(others):.80}"
            )
    return "\n".join(lines)
