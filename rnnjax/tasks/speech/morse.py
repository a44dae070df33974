"""Morse code as sound: phrases of Python's documentation, keyed by hand, with noise and fading."""

import re
from typing import NamedTuple

import numpy as np

from rnnjax.data.bundled_text import embedded
from rnnjax.tasks.speech.recordings import Recording, Source, with_noise

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SIGNS = """
.- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..-
-.-- --..
"""
CODE = dict(zip(LETTERS, SIGNS.split(), strict=True))
SIZES = {"train": 1500, "validation": 100, "test": 300}
OPERATORS = {"train": 60, "validation": 10, "test": 20}
HELD_OUT = 0.1
"""Share of the documentation, from its end, whose phrases are for validation and test."""
LONGEST = 9
"""Letters and spaces of a phrase."""
DECIBELS = (-4.0, 10.0)
"""From the noise to the tone, over all frequencies."""
LEAD = 0.1
"""Seconds before the first tone and after the last."""


class Operator(NamedTuple):
    """A hand at a key, and its transmitter.

    Attributes:
        words: a minute, of 50 dots each.
        dash: dots in a dash.
        letter: dots between letters.
        word: dots between words.
        shake: standard deviation of the logarithm of a duration.
        pitch: of the tone, in hertz.
    """

    words: float
    dash: float
    letter: float
    word: float
    shake: float
    pitch: float


def morse(rate: int) -> Source:
    """The splits, the same in every run: no operator and no phrase is in two of them.

    A training recording is made anew of the same phrase, by another operator each time.
    """
    splits: dict[str, list[Recording]] = {}
    seen: set[str] = set()
    for n, (split, size) in enumerate(SIZES.items()):
        rng = np.random.default_rng([n, 1844])
        operators = [drawn_operator(rng) for _ in range(OPERATORS[split])]
        every = [phrase for phrase in phrases(split != "train") if phrase not in seen]
        texts = [every[i] for i in rng.permutation(len(every))[:size].tolist()]
        seen.update(texts)
        splits[split] = [
            Recording(keyed(text, operators[i % len(operators)], rate, rng), text, f"{split} {i}")
            for i, text in enumerate(texts)
        ]

    def draw(index: int, rng: np.random.Generator) -> Recording:
        one = splits["train"][index]
        return one._replace(samples=keyed(one.text, drawn_operator(rng), rate, rng))

    return Source(splits, draw)


def phrases(held_out: bool) -> list[str]:
    """Runs of words in small letters, `LONGEST` characters at most, in their order, each once."""
    text = "\n".join(part.decode() for document in embedded() for part in document.chunks)
    at = round((1 - HELD_OUT) * len(text))
    text = text[at:] if held_out else text[:at]
    words = rf"(?<=[ \n])[a-z](?:[a-z ]{{1,{LONGEST - 2}}})[a-z](?=[ \n,.])"
    found = re.findall(words, re.sub(r"\s+", " ", text))
    return list(dict.fromkeys(phrase for phrase in found if "  " not in phrase))


def drawn_operator(rng: np.random.Generator) -> Operator:
    """Draws how a person keys."""
    return Operator(
        words=rng.uniform(28, 42),
        dash=rng.uniform(2.5, 3.7),
        letter=rng.uniform(2.4, 3.8),
        word=rng.uniform(5.5, 8.5),
        shake=rng.uniform(0.04, 0.15),
        pitch=rng.uniform(450, 950),
    )


def key_times(text: str, operator: Operator, rng: np.random.Generator) -> np.ndarray:
    """Durations in dots, `[2M]`: of a tone and of the pause after it, in turn.

    Each is drawn around its length with the operator's shake, and the speed drifts by up to 15 %.
    """
    durations: list[float] = []
    for word in text.split():
        for letter in word:
            for sign in CODE[letter]:
                durations += [operator.dash if sign == "-" else 1.0, 1.0]
            durations[-1] = operator.letter
        durations[-1] = operator.word
    shaken = np.array(durations) * np.exp(rng.normal(scale=operator.shake, size=len(durations)))
    drift = 0.15 * np.sin(rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi, len(shaken)))
    return shaken * (1 + drift)


def keyed(text: str, operator: Operator, rate: int, rng: np.random.Generator) -> np.ndarray:
    """The sound of a text, int16 `[N]`: a tone that fades and drifts, in white noise."""
    seconds = key_times(text, operator, rng) * 1.2 / operator.words
    ends = LEAD + np.cumsum(seconds)
    count = round((ends[-2] + LEAD) * rate)
    edges = np.round(np.concatenate([[LEAD], ends[:-1]]) * rate).astype(int)
    is_on = np.zeros(count)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        is_on[start:end] = 1
    rise = np.hanning(round(0.005 * rate) + 2)
    envelope = np.convolve(is_on, rise / rise.sum(), mode="same")
    time = np.arange(count) / rate
    fading = 0.65 + 0.35 * np.sin(2 * np.pi * (rng.uniform(0.2, 1) * time + rng.uniform()))
    wander = 20 * np.sin(2 * np.pi * (0.3 * time + rng.uniform()))
    tone = np.sin(2 * np.pi * np.cumsum(operator.pitch + wander) / rate)
    envelope[envelope < 1e-6] = 0
    return with_noise(0.1 * envelope * fading * tone, rng.uniform(*DECIBELS), rng)
