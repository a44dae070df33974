"""The problems: how an example is drawn, and how one is read from a text and told in words."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from rnnjax.data.padded_batches import Example
from rnnjax.errors import UserError
from rnnjax.tasks.long_range import agreement

TOLERANCE = 0.04
"""A sum counts as right if its error is less (Hochreiter & Schmidhuber 1997, section 5.4)."""

COPIED = 10
"""Symbols to copy."""
BLANK, DELIMITER = 0, 9
"""The symbols to copy are 1 to 8."""


class Problem(NamedTuple):
    """A problem that asks for memory.

    Attributes:
        least_length: the smallest T.
        outputs: K, numbers that the network gives a step.
        vocab_size: V of the inputs, where they are symbols; None: they are vectors of two numbers.
        trained_distances: `(T) -> distances` of the examples of training, validation and test.
        steps: `(distance) -> length` of an example.
        draw: `(distance, rng) -> example`, with `inputs` and `targets`.
        guess: `(examples) -> percent` right without memory.
        guess_by: what that guess is.
        read: `(text, T) -> inputs` of an example that a user writes.
        tell: `(outputs [t, K]) -> text`, the answer in words.
        curve: `(outputs [t, K], example) -> [t]`, one number a step for a picture.
        curve_of: what that number is.
    """

    least_length: int
    outputs: int
    vocab_size: int | None
    trained_distances: Callable[[int], Sequence[int]]
    steps: Callable[[int], int]
    draw: Callable[[int, np.random.Generator], Example]
    guess: Callable[[Sequence[Example]], float]
    guess_by: str
    read: Callable[[str, int], np.ndarray]
    tell: Callable[[np.ndarray], str]
    curve: Callable[[np.ndarray, Example], np.ndarray]
    curve_of: str


def draw_adding(length: int, rng: np.random.Generator) -> Example:
    """T numbers from U(0, 1), two of them marked; the target is the sum of the two.

    One mark is in the first half, the other in the second.

    References:
        Hochreiter & Schmidhuber 1997, "Long short-term memory", section 5.4; in this form Arjovsky,
        Shah & Bengio 2016, "Unitary evolution recurrent neural networks", section 4.2.
    """
    numbers, marks = rng.random(length, np.float32), np.zeros(length, np.float32)
    marked = [rng.integers(length // 2), rng.integers(length // 2, length)]
    marks[marked] = 1
    return {"inputs": np.stack([numbers, marks], axis=-1), "targets": numbers[marked].sum()}


def draw_copy(length: int, rng: np.random.Generator) -> Example:
    """Ten symbols, T - 1 blanks, a delimiter and ten blanks; the target ends with the symbols.

    References:
        Hochreiter & Schmidhuber 1997; in this form Arjovsky, Shah & Bengio 2016, section 4.1.
    """
    symbols = rng.integers(1, DELIMITER, COPIED)
    targets = np.zeros(copy_steps(length), np.int32)
    targets[-COPIED:] = symbols
    return {"inputs": copy_inputs(symbols, length), "targets": targets}


def copy_inputs(symbols: np.ndarray, length: int) -> np.ndarray:
    """The input of the network, int32 `[T + 20]`."""
    inputs = np.full(copy_steps(length), BLANK, np.int32)
    inputs[:COPIED] = symbols
    inputs[-COPIED - 1] = DELIMITER
    return inputs


def copy_steps(length: int) -> int:
    """T and the ten symbols, twice."""
    return length + 2 * COPIED


def read_adding(text: str, _: int) -> np.ndarray:
    """Numbers with blanks between them; a star follows each of the two that are to be added."""
    words = text.split()
    try:
        numbers = np.array([float(word.removesuffix("*")) for word in words], np.float32)
    except ValueError:
        numbers = np.array([np.nan])
    marks = np.array([word.endswith("*") for word in words], np.float32)
    if not ((numbers >= 0) & (numbers <= 1)).all() or marks.sum() != 2:
        raise UserError(
            f"--text of adding is numbers from 0 to 1, two with a star: '0.1 0.5* 0.3*'; "
            f"got {text!r}"
        )
    return np.stack([numbers, marks], axis=-1)


def read_copy(text: str, length: int) -> np.ndarray:
    """Ten digits from 1 to 8, blanks between them left aside."""
    digits = "".join(text.split())
    if len(digits) != COPIED or not set(digits) <= set("12345678"):
        raise UserError(f"--text of copy is {COPIED} digits from 1 to 8; got {text!r}")
    return copy_inputs(np.array([*map(int, digits)]), length)


def tell_agreement(outputs: np.ndarray) -> str:
    """The verb, and its probability."""
    chances = softmax(outputs[-1])
    return f"{agreement.VERBS[chances.argmax()]} ({chances.max():.1%})"


PROBLEMS = {
    "adding": Problem(
        least_length=2,
        outputs=1,
        vocab_size=None,
        trained_distances=lambda length: [length],
        steps=lambda length: length,
        draw=draw_adding,
        guess=lambda examples: 100 * float(
            np.mean([abs(example["targets"] - 1) < TOLERANCE for example in examples])
        ),
        guess_by="always 1, the mean",
        read=read_adding,
        tell=lambda outputs: f"{outputs[-1, 0]:.3f}",
        curve=lambda outputs, example: outputs[:, 0],
        curve_of="the network's sum",
    ),
    "copy": Problem(
        least_length=1,
        outputs=DELIMITER,
        vocab_size=DELIMITER + 1,
        trained_distances=lambda length: [length],
        steps=copy_steps,
        draw=draw_copy,
        guess=lambda examples: 100 * float(
            np.mean([example["targets"][-COPIED:] == 1 for example in examples])
        ),
        guess_by="always the same symbol",
        read=read_copy,
        tell=lambda outputs: "".join(map(str, outputs[-COPIED:].argmax(axis=-1))),
        curve=lambda outputs, example: softmax(outputs, axis=-1)[
            np.arange(len(outputs)), example["targets"]
        ],
        curve_of="the probability of the right symbol",
    ),
    "agreement": Problem(
        least_length=1,
        outputs=len(agreement.VERBS),
        vocab_size=len(agreement.VOCABULARY),
        trained_distances=lambda length: range(length + 1),
        steps=lambda distance: distance + agreement.BEFORE,
        draw=agreement.draw,
        guess=lambda examples: 100 * float(
            np.mean([example["nearest"] == example["targets"] for example in examples])
        ),
        guess_by="the number of the nearest noun",
        read=lambda text, _: agreement.encode(text),
        tell=tell_agreement,
        curve=lambda outputs, example: softmax(outputs, axis=-1)[:, 1],
        curve_of=f"the probability of '{agreement.VERBS[1]}' so far",
    ),
}  # fmt: skip
