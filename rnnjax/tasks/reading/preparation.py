"""From questions about stories to the batches that a reader trains on."""

from collections.abc import Sequence

import numpy as np

from rnnjax import data
from rnnjax.data.padded_batches import EvaluationBatches, Examples, Ragged, TrainingBatches
from rnnjax.data.prepared import Prepared, digest_of
from rnnjax.data.question_vocabulary import OTHER, QuestionVocabulary, words_of
from rnnjax.tasks.reading.babi import Question, with_latest
from rnnjax.tasks.reading.config import ReadingConfig
from rnnjax.tasks.reading.sources import Splits, load_questions


def prepare(config: ReadingConfig, vocabulary: QuestionVocabulary | None = None) -> Prepared:
    """Loads the questions of a config and makes vocabulary and batches.

    Args:
        config: of the run; words of all splits that its file of vectors has are known.
        vocabulary: one that a model was trained with.

    Raises:
        UserError: the questions or the vectors cannot be used, all stories are too long, or the
            vocabulary lacks an answer.
    """
    splits, note = load_questions(config.data, encoding=config.encoding)
    vectors = None
    if config.vectors:
        words = {word for its in splits.values() for text in texts_of(its) for word in
                 words_of(text)}  # fmt: skip
        vectors = data.read_vectors(config.vectors, words, encoding=config.encoding)
    vocabulary = vocabulary or QuestionVocabulary.of_questions(
        texts_of(splits["train"]),
        [one.answer for one in splits["train"]],
        vectors.words if vectors else (),
    )
    for one in splits["train"]:
        vocabulary.check_answer(one.answer, one.place)
    lengths = {split: np.array([len(one.story) for one in its]) for split, its in splits.items()}
    kept = config.kept(lengths["train"], "sentences")
    sizes = config.cut(lengths["train"][kept])
    buckets = data.bucket_lengths(sizes, config.num_buckets, batch_size=config.batch_size)
    questions = [with_latest(splits["train"][n], config.limit) for n in kept]
    examples = question_examples(questions, vocabulary, buckets)
    batches = TrainingBatches(examples, batch_size=config.batch_size, seed=config.seed)
    questions = [with_latest(one, config.limit) for one in splits["validation"]]
    held_out = question_examples(questions, vocabulary, buckets)
    validation = EvaluationBatches(held_out, batch_size=config.batch_size)
    content = [one[:4] for split in ("train", "validation") for one in splits[split]]
    digest = digest_of(content)
    description = f"{note}.\n{_describe(splits, vocabulary)}"
    description += "".join(f"\n{one}." for one in config.notes(lengths, "stories", "sentences"))
    if vectors is not None:
        description += f"\n{vectors.coverage(vocabulary.words)}."
    return Prepared(batches, validation, description, splits, digest, vocabulary, vectors)


def question_examples(
    questions: Sequence[Question],
    vocabulary: QuestionVocabulary,
    buckets: Sequence[int] | None = None,
) -> Examples:
    """Questions in numbers.

    An example holds, with W the length of the longest sentence of all: `story` int32 `[S, W]`, 0
    behind the end of a sentence; `facts` bool `[S]`; `question` int32 `[Q]`; `answer` int32, 0 for
    OTHER. In a batch, `lengths` are those of stories and `question_lengths` those of questions.

    Args:
        questions: one or more, each with a story and a word.
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


def _describe(splits: Splits, vocabulary: QuestionVocabulary) -> str:
    sizes = [
        f"{split} {len(its):,} about {len({one.story_number for one in its}):,} stories"
        for split, its in splits.items()
    ]
    lines = [
        f"questions: {', '.join(sizes)}.",
        f"{len(vocabulary.words):,} words, {len(vocabulary.answers) - 1:,} answers.",
    ]
    for split, its in splits.items():
        lines += vocabulary.notes(split, texts_of(its), [one.answer for one in its])
    return "\n".join(lines)
