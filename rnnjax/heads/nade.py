"""Neural autoregressive distribution estimation: a distribution over vectors of bits.

The bits of a vector are predicted one after the other, each from those before it (Larochelle &
Murray 2011, equations 4 to 6)::

    p(v | c, b) = prod_i  p(v_i | v_1 .. v_{i-1})
    p(v_i = 1 | v_1 .. v_{i-1}) = sigmoid(b_i + u_i . sigmoid(a_i))
    a_1 = c,   a_{i+1} = a_i + v_i w_i

so that the probabilities of all 2^N vectors sum to one. In an RNN-NADE (Boulanger-Lewandowski et
al. 2012, section 5) the biases c and b are linear in the output of a recurrent network: each frame
has its own.

References:
    Larochelle & Murray 2011, "The neural autoregressive distribution estimator".
    Boulanger-Lewandowski, Bengio & Vincent 2012, "Modeling temporal dependencies in
    high-dimensional sequences".
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.decode.filters import COLDEST
from rnnjax.typing import Array, PRNGKey

FREE = -1
"""In `given`: a bit that is drawn."""


class NADEParams(NamedTuple):
    """The weights.

    Attributes:
        w: `[N, H]`, what each bit adds to the hidden units.
        u: `[N, H]`, what each bit reads from them.
    """

    w: Array
    u: Array


def init(key: PRNGKey, num_bits: int, hidden_size: int) -> NADEParams:
    """Weights for N bits from a normal distribution of variance 1 / H, H = `hidden_size`."""
    scale = hidden_size**-0.5
    w, u = scale * jax.random.normal(key, (2, num_bits, hidden_size))
    return NADEParams(w, u)


def logits(params: NADEParams, bits: Array, hidden_bias: Array, bit_bias: Array) -> Array:
    """The log-odds of each bit given those before it, `[..., N]`.

    Args:
        bits: v, bool or 0 and 1, `[..., N]`.
        hidden_bias: c, `[..., H]`.
        bit_bias: b, `[..., N]`.
    """
    return _scan(params, hidden_bias, bit_bias, lambda bit, _: bit, bits)[1]


def log_probability(logits: Array, bits: Array) -> Array:
    """``log p(v)`` in nats, `[...]`, from the log-odds of each bit.

    Args:
        logits: `[..., N]`: those of `logits`, or of independent bits.
        bits: v, bool `[..., N]`.
    """
    return jax.nn.log_sigmoid(jnp.where(bits, logits, -logits)).sum(axis=-1)


def sample(
    params: NADEParams,
    hidden_bias: Array,
    bit_bias: Array,
    given: Array,
    *,
    key: PRNGKey,
    temperature: float | Array = 1.0,
) -> Array:
    """Draws vectors of bits, bool `[..., N]`, bit after bit.

    A bit that is given changes the distribution of those after it, and not of those before it.

    Args:
        hidden_bias: c, `[..., H]`.
        bit_bias: b, `[..., N]`.
        given: int `[..., N]`: 0 and 1 are taken as they are, `FREE` is drawn.
        temperature: see `draw_bits`.
    """

    def choose(bit: tuple[Array, Array], logit: Array) -> Array:
        return _draw(*bit, logit, temperature)

    uniform = jax.random.uniform(key, bit_bias.shape)
    return _scan(params, hidden_bias, bit_bias, choose, (uniform, given))[0]


def draw_bits(
    logits: Array, given: Array, *, key: PRNGKey, temperature: float | Array = 1.0
) -> Array:
    """Draws independent bits, bool `[..., N]`.

    Args:
        logits: their log-odds, `[..., N]`.
        given: as for `sample`.
        temperature: divides the log-odds; 0 takes the likelier value of each bit.
    """
    return _draw(jax.random.uniform(key, logits.shape), given, logits, temperature)


def _draw(uniform: Array, given: Array, logits: Array, temperature: float | Array) -> Array:
    drawn = uniform < jax.nn.sigmoid(logits / jnp.maximum(temperature, COLDEST))
    return jnp.where(given == FREE, drawn, given == 1)


@jax.named_scope("nade")
def _scan(params: NADEParams, hidden_bias: Array, bit_bias: Array, choose, inputs):
    """Runs over the bits: `choose(input of a bit, its log-odds)` says what it is.

    Returns:
        The bits and their log-odds, `[..., N]` each.
    """

    def step(a, inputs_of_bit):
        w_i, u_i, b_i, its = inputs_of_bit
        logit = b_i + jax.nn.sigmoid(a) @ u_i
        bit = choose(its, logit)
        return a + bit[..., None] * w_i, (bit, logit)

    first = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), (bit_bias, inputs))
    # The gradient computes the hidden units again: to store them takes twice the memory and longer.
    step = jax.checkpoint(step, prevent_cse=False)
    _, found = jax.lax.scan(step, hidden_bias, (*params, *first))
    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, -1), found)
