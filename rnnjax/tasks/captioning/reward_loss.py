"""How a captioner that can write gets better: by the reward of the captions that it draws."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.heads import attention
from rnnjax.models.drawing import draw
from rnnjax.models.hard_attention import DEFAULT_HARD_TRAINING, HardTraining
from rnnjax.tasks.captioning.captioner import END, START, Captioner
from rnnjax.tasks.captioning.rewards import Reward
from rnnjax.typing import Array, PRNGKey


class RewardLoss(NamedTuple):
    """Sums over a batch.

    Attributes:
        total: minus the rewards of the captions drawn; its gradient estimates that of its mean over
            all that can be drawn.
        num_captions: that it is a sum over.
        num_words: drawn, the ends of captions included.
    """

    total: Array
    num_captions: Array
    num_words: Array


def reward_loss(
    model: Captioner,
    batch: dict[str, Array],
    key: PRNGKey,
    reward: Reward,
    *,
    num_captions: int,
    max_length: int,
    never: Sequence[int] = (),
    hard: HardTraining = DEFAULT_HARD_TRAINING,
) -> RewardLoss:
    """REINFORCE for whole captions: those better than others of the same image become likelier.

    Of each image K captions w_1 .. w_K are drawn. With r_k the reward of w_k given the captions of
    the image, END counted as a word::

        - sum_k (r_k - mean of the other r) log p(w_k)

    where the factor before ``log p`` is a constant. The other captions are a baseline that does not
    depend on w_k, so the gradient is right on average. With decoder hard and gradient reinforce
    ``log p(w_k)`` takes in the locations drawn, weighted by lambda_r, and the entropy of the
    attention is rewarded as in `caption_loss`.

    Args:
        model: the captioner, best one that can write already.
        batch: as for `Captioner.look`, with `words` int `[T, B]` or `[T, B, R]`, R captions of
            each image, and `lengths` int `[B]` or `[B, R]`, END included; 0: there is none.
        key: decides all draws.
        reward: see `rnnjax.tasks.captioning.rewards`.
        num_captions: K, 2 or more.
        max_length: ids after which a caption is cut off.
        never: ids that are not drawn; what decoding never writes must not be learned either.
        hard: how hard attention is trained; all captions are drawn with hard attention.

    References:
        Ranzato et al. 2016, "Sequence level training with recurrent neural networks"; Rennie et
        al. 2017, "Self-critical sequence training for image captioning"; with the baseline of Kool,
        van Hoof & Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free!".
    """
    drawn = draw(
        model,
        model.look(batch),
        key,
        start=START,
        stop=END,
        num_each=num_captions,
        max_length=max_length,
        never=never,
        hard=hard,
    )
    words, lengths = batch["words"], batch["lengths"]
    num_images = words.shape[1]
    references = words.reshape(*words.shape[:2], -1)
    of_image = jax.vmap(reward, in_axes=(1, 0, None, None))
    rewards = jax.vmap(of_image, in_axes=(1, 0, 1, 0))(
        drawn.words.reshape(max_length, num_images, num_captions),
        drawn.mask.sum(axis=0).reshape(num_images, num_captions),
        references,
        lengths.reshape(num_images, -1),
    )
    better = rewards - rewards.mean(axis=1, keepdims=True)
    advantage = jax.lax.stop_gradient(better.ravel() * num_captions / (num_captions - 1))
    gains = drawn.gains
    entropy = jnp.zeros(())
    if model.context == "hard" and hard.gradient == "reinforce":
        weights, scores = drawn.glances.weights, drawn.glances.scores
        assert weights is not None
        assert scores is not None
        log_choice = jnp.sum(weights * jax.nn.log_softmax(scores), axis=-1)
        gains = gains + hard.reward_weight * jnp.where(drawn.mask, log_choice, 0.0)
        entropy = jnp.sum(jnp.where(drawn.mask, attention.entropy(scores), 0.0))
    learned = jnp.sum(advantage * gains.sum(axis=0)) + hard.entropy_weight * entropy
    total = jax.lax.stop_gradient(learned) - learned - rewards.sum()
    return RewardLoss(
        total,
        jnp.asarray(rewards.size, total.dtype),
        drawn.mask.sum().astype(total.dtype),
    )
