"""A small grammar: sentences whose verb agrees with a subject that may be far away."""

import numpy as np

from rnnjax.data.padded_batches import Example
from rnnjax.errors import UserError, did_you_mean

VERBS = ("is", "are")
"""The verb to predict, singular and plural."""

BEFORE = 2
"""Words up to the subject: the article and the noun."""

NOUNS = (
    ("boy", "boys"), ("cat", "cats"), ("child", "children"), ("dog", "dogs"), ("farmer", "farmers"),
    ("girl", "girls"), ("horse", "horses"), ("king", "kings"), ("man", "men"), ("mouse", "mice"),
    ("teacher", "teachers"), ("woman", "women"),
)  # fmt: skip
RELATIVE_VERBS = (("admires", "admire"), ("knows", "know"), ("likes", "like"), ("sees", "see"))
WORDS = {
    "ADJECTIVE": ("happy", "old", "small", "young"),
    "ADVERB": ("certainly", "often", "perhaps", "today"),
    "PAST": ("ate", "followed", "heard", "painted"),
    "PREPOSITION": ("behind", "beside", "near", "with"),
}
PHRASES = tuple(
    tuple(phrase.split())
    for phrase in (
        "PREPOSITION the NOUN",
        "PREPOSITION the ADJECTIVE NOUN",
        "that the NOUN VERB",
        "that the ADJECTIVE NOUN VERB",
        "who already PAST the NOUN",
    )
)
"""What may stand between subject and verb. None of it tells the number of the subject: the verb of
a clause agrees with the clause's own noun, or is past, which has one form for both numbers."""

VOCABULARY = sorted(
    {"already", "that", "the", "who"}
    | {word for words in (*NOUNS, *RELATIVE_VERBS, *WORDS.values()) for word in words}
)
_NUMBER = {word: n for n, word in enumerate(VOCABULARY)}


def draw(distance: int, rng: np.random.Generator) -> Example:
    """The beginning of a sentence, up to the verb.

    All nouns are singular or plural by a fair coin, so the nearest one says nothing of the verb.

    Args:
        distance: words between the subject and the verb.

    Returns:
        `inputs` int32 `[distance + 2]`, words by number; `targets` 0 (is) or 1 (are); `nearest`,
        the number of the noun before the verb.

    References:
        Linzen, Dupoux & Goldberg 2016, "Assessing the ability of LSTMs to learn syntax-sensitive
        dependencies", section 3: the number prediction task.
    """
    drawn = iter(rng.random(4 * distance + 4).tolist())  # All at once: single draws take long.

    def choose(options):
        return options[int(next(drawn) * len(options))]

    subject = nearest = choose((0, 1))
    words = ["the", choose(NOUNS)[subject]]
    while missing := distance + BEFORE - len(words):
        fitting = [phrase for phrase in PHRASES if len(phrase) <= missing]
        for word in choose(fitting) if fitting else ("ADVERB",):
            if word == "NOUN":
                nearest = choose((0, 1))
                words.append(choose(NOUNS)[nearest])
            elif word == "VERB":
                words.append(choose(RELATIVE_VERBS)[nearest])
            else:
                words.append(choose(WORDS[word]) if word in WORDS else word)
    inputs = np.array([_NUMBER[word] for word in words], np.int32)
    return {
        "inputs": inputs,
        "targets": np.asarray(subject, np.int32),
        "nearest": np.asarray(nearest, np.int32),
    }


def encode(text: str) -> np.ndarray:
    """Words as numbers, int32 `[t]`.

    Raises:
        UserError: there is no word, or the grammar does not have it.
    """
    words = text.lower().split()
    if not words:
        raise UserError("--text of agreement is the words before the verb; got none")
    for word in words:
        if word not in _NUMBER:
            raise UserError(f"the grammar has no word {word!r}; {did_you_mean(word, VOCABULARY)}")
    return np.array([_NUMBER[word] for word in words], np.int32)


def decode(inputs: np.ndarray) -> list[str]:
    """Numbers as words."""
    return [VOCABULARY[n] for n in inputs]
