"""How a captioner that can write gets better: by the reward of the captions that it draws."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import training
from rnnjax.data.word_vocabulary import END, START
from rnnjax.decode.step import repeat_rows
from rnnjax.heads import attention
from rnnjax.losses import target_log_probability
from rnnjax.models.hard_attention import DEFAULT_HARD_TRAINING, HardTraining
from rnnjax.models.memory import Glance
from rnnjax.tasks.captioning.captioner import Captioner
from rnnjax.tasks.captioning.rewards import Reward
from rnnjax.typing import Array, PRNGKey


class Drawn(NamedTuple):
    """Captions that a captioner drew: K of each of B images in a row, N = B K.

    Attributes:
        words: int `[T, N]`, END at the end and after it.
        mask: bool `[T, N]`, True up to END.
        gains: `[T, N]`, log-probability of each word given those before it, 0 after END.
        glances: leaves `[T, N, ...]`.
    """

    words: Array
    mask: Array
    gains: Array
    glances: Glance


def draw(
    model: Captioner,
    batch: dict[str, Array],
    key: PRNGKey,
    *,
    num_captions: int,
    max_length: int,
    never: Sequence[int] = (),
    hard: HardTraining = DEFAULT_HARD_TRAINING,
) -> Drawn:
    """Draws captions from the model's distribution, differentiable in what it made of them.

    With decoder hard the locations are drawn as well. There is no dropout. The arguments are those
    of `reward_loss`.
    """
    memory = model.look(batch)
    num_images = len(memory.features)
    num_rows = num_images * num_captions
    start = (
        repeat_rows(model.initial_carry(memory), num_images, num_captions),
        jnp.full(num_rows, START),
        jnp.ones(num_rows, bool),
    )

    def advance(state, key_t):
        carry, before, running = state
        key_place, key_word = jax.random.split(key_t)
        logits, glance, carry = model.step(memory, carry, before, key_place, hard)
        logits = logits.at[:, list(never)].set(-jnp.inf)
        words = jnp.where(running, jax.random.categorical(key_word, logits), END)
        gains = jnp.where(running, target_log_probability(logits, words), 0.0)
        return (carry, words, running & (words != END)), (words, running, gains, glance)

    with jax.named_scope("scan"):
        _, drawn = jax.lax.scan(advance, start, jax.random.split(key, max_length))
    return Drawn(*drawn)


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
) -> training.Loss:
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

    Returns:
        Minus the rewards of the captions drawn, whose gradient estimates that of its mean over all
        that can be drawn; the captions count, and the words drawn, their ends included, are work.

    References:
        Ranzato et al. 2016, "Sequence level training with recurrent neural networks"; Rennie et
        al. 2017, "Self-critical sequence training for image captioning"; with the baseline of Kool,
        van Hoof & Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free!".
    """
    drawn = draw(
        model, batch, key, num_captions=num_captions, max_length=max_length, never=never, hard=hard
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
    count = jnp.asarray(rewards.size, total.dtype)
    work = drawn.mask.sum().astype(total.dtype)
    return training.Loss(total, count, metrics={"reward": -total}, work=work)
