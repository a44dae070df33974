"""How a decoder that reads one position of its memory a step learns which."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.heads import attention
from rnnjax.models.memory import Glance
from rnnjax.typing import Array

HardGradient = Literal["reinforce", "gumbel"]


class HardTraining(NamedTuple):
    """How hard attention is trained.

    Attributes:
        gradient: reinforce, or gumbel (straight-through Gumbel-softmax).
        temperature: of gumbel.
        soft_rate: share of the sequences that are read with soft attention all the same, which
            makes the gradient less noisy.
        reward_weight: of reinforce's gradient, lambda_r.
        entropy_weight: of the entropy that keeps reinforce looking around, lambda_e.
    """

    gradient: HardGradient = "reinforce"
    temperature: float = 1.0
    soft_rate: Array | float = 0.5
    reward_weight: float = 1.0
    entropy_weight: float = 0.01


DEFAULT_HARD_TRAINING = HardTraining()


def reinforce_bonus(
    gains: Array,
    mask: Array,
    glances: Glance,
    drawn: Array,
    hard: HardTraining,
    baseline: Array | float = 0.0,
) -> Array:
    """The term that REINFORCE subtracts from the loss, for drawn positions.

    With r_t the log-likelihood of the symbols from t on, s_t the position drawn for symbol t, and
    b the baseline, for sequences with drawn positions::

        lambda_r sum_t (r_t - b (T - t)) log p(s_t) + lambda_e sum_t H[p(s_t)]

    where the factor before ``log p(s_t)`` is a constant. As s_t has no influence on earlier
    symbols, their likelihood is left out of r_t, which takes noise from the gradient but no truth.

    Args:
        gains: `[T, B]`, log-likelihood of each symbol, 0 where the mask is False.
        mask: bool `[T, B]`, True at the symbols that count.
        glances: leaves `[T, B, ...]`.
        drawn: bool `[B]`, sequences with drawn positions.
        baseline: b, nats a symbol.

    References:
        Xu et al. 2015, "Show, attend and tell", section 4.1, with a baseline by symbol instead of
        one by sequence.
    """
    assert glances.weights is not None
    assert glances.scores is not None
    rewards = jnp.cumsum(gains[::-1], axis=0)[::-1]
    ahead = jnp.cumsum(mask[::-1], axis=0)[::-1].astype(gains.dtype)
    advantage = jax.lax.stop_gradient(rewards - baseline * ahead)
    log_choice = jnp.sum(glances.weights * jax.nn.log_softmax(glances.scores), axis=-1)
    bonus = hard.reward_weight * advantage * log_choice
    bonus += hard.entropy_weight * attention.entropy(glances.scores)
    return jnp.sum(jnp.where(mask & drawn, bonus, 0.0))
