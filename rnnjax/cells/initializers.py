"""Weight initialisers by name, applied to each gate's matrix by itself."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import check_size
from rnnjax.errors import check_known
from rnnjax.typing import Array, PRNGKey

Initializer = Callable[..., Array]


def _identity(key: PRNGKey, shape: tuple[int, int], dtype=float) -> Array:
    del key
    return jnp.eye(*shape, dtype=dtype)


def _torch_uniform(key: PRNGKey, shape: tuple[int, int], dtype=float) -> Array:
    bound = shape[-1] ** -0.5
    return jax.random.uniform(key, shape, dtype, -bound, bound)


INITIALIZERS: dict[str, Initializer] = {
    "glorot_normal": jax.nn.initializers.glorot_normal(),
    "glorot_uniform": jax.nn.initializers.glorot_uniform(),
    "he_normal": jax.nn.initializers.he_normal(),
    "identity": _identity,
    "lecun_normal": jax.nn.initializers.lecun_normal(),
    "orthogonal": jax.nn.initializers.orthogonal(),
    "torch_uniform": _torch_uniform,
    "zeros": jax.nn.initializers.zeros,
}


def initializer(name: str | Initializer) -> Initializer:
    """The initialiser `(key, shape, dtype) -> array` of that name; a function passes through.

    `orthogonal`: Saxe et al. 2014. `glorot_*`: Glorot & Bengio 2010. `identity`: the IRNN of Le,
    Jaitly & Hinton 2015. `torch_uniform`: U(-1/sqrt(H), 1/sqrt(H)), the default of torch.nn.

    Raises:
        UserError: there is no initialiser of that name.
    """
    if callable(name):
        return name
    check_known("initialiser", name, INITIALIZERS)
    return INITIALIZERS[name]


def gate_matrices(
    key: PRNGKey, name: str | Initializer, rows: int, columns: int, num_gates: int
) -> Array:
    """`num_gates` matrices `[rows, columns]`, each drawn by itself, packed side by side."""
    check_size("input_size", rows)
    draw = initializer(name)
    keys = jax.random.split(key, num_gates)
    return jnp.concatenate([draw(k, (rows, columns), float) for k in keys], axis=1)
