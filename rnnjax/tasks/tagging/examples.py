"""Tagged sentences as examples for padded batches."""

from collections.abc import Callable, Sequence

import numpy as np

from rnnjax.data.padded_batches import Example, Examples, Ragged
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.vocabulary import EncodedSentence, TaggingVocabulary

Transform = Callable[[Sentence, np.random.Generator], Sentence]


def tagged_examples(
    sentences: Sequence[Sentence],
    vocabulary: TaggingVocabulary,
    buckets: Sequence[int],
    transform: Transform | None = None,
) -> Examples:
    """Sentences in numbers: the fields of `EncodedSentence`, all ragged, and `lengths`.

    Args:
        sentences: a split, or what shall be tagged; they are encoded batch by batch.
        vocabulary: turns them into numbers.
        buckets: lengths to pad to, ascending.
        transform: makes another sentence of one, anew in every epoch of training.
    """

    def encode(sentence: Sentence) -> Example:
        return vocabulary.encode(sentence)._asdict()

    lengths = np.array([len(sentence.tokens) for sentence in sentences])
    return Examples(
        get=lambda n: encode(sentences[n]),
        size=len(sentences),
        ragged={"lengths": Ragged(EncodedSentence._fields, lengths, buckets)},
        draw=None if transform is None else lambda n, rng: encode(transform(sentences[n], rng)),
        noun="sentence",
        name_of=lambda n: sentences[n].source,
    )
