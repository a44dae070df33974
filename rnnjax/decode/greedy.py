"""The most likely symbol at every step."""

from typing import Any, NamedTuple

from rnnjax.decode.beam import beam_search
from rnnjax.decode.step import Step
from rnnjax.typing import Array, Carry


class GreedyResult(NamedTuple):
    """One sequence for each row.

    `tokens [B, max_length]`, `stop` after the end; `lengths [B]`, the stop included;
    `log_probability [B]` in nats, of the `lengths` symbols together.
    """

    tokens: Array
    lengths: Array
    log_probability: Array


def greedy(
    step: Step, params: Any, carry: Carry, start_tokens: Array, *, max_length: int, stop: int
) -> GreedyResult:
    """Takes the most likely symbol at every step: a beam search with a beam of 1.

    Of equally likely symbols the first is taken. The program is compiled once for each `step`
    (the same function object) and each set of shapes.

    Args:
        step: `(params, carry, tokens [B]) -> (logits [B, V], carry)`.
        params: handed to `step`.
        carry: before the start tokens; a pytree whose leaves are `[B, ...]`.
        start_tokens: int `[B]`, what each row reads first; not part of the result.
        max_length: symbols after which a row is cut off.
        stop: symbol that ends a row.

    Returns:
        The sequences. One without `stop` has length `max_length`.

    Raises:
        UserError: `max_length` is below 1, `stop` is no symbol, or a shape does not fit.
    """
    options = {"beam_size": 1, "max_length": max_length, "stop": stop}
    found = beam_search(step, params, carry, start_tokens, **options)
    return GreedyResult(found.tokens[:, 0], found.lengths[:, 0], found.log_probability[:, 0])
