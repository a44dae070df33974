"""Whether a cell keeps what `unroll` promises of every cell: to test a cell of your own."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cells.cell import Cell, check_cells
from rnnjax.cells.linear import LinearSpec
from rnnjax.cells.structure import is_result_of_step
from rnnjax.scan import unroll, unroll_reference
from rnnjax.typing import Array, Carry, Params

_NUM_STEPS, _BATCH_SIZE = 6, 3
_DISTANCE = 1e-5
"""Of the two points of a finite difference, to either side."""


class BrokenPromise(AssertionError):
    """A cell does not do what every cell has to do."""


class _Trial(NamedTuple):
    """A cell with random params, inputs `[T, B, D]` and a carry, all float64."""

    cell: Cell
    params: Params
    xs: Array
    carry: Carry
    draw: np.random.Generator


def check_cell(cell: Cell, *, input_size: int, seed: int = 0, tolerance: float = 1e-9) -> None:
    """Tries a cell in float64 on random params and inputs, promise by promise.

    - The carry keeps structure, shapes and dtypes; outputs are as wide as `output_size` says.
    - What is linear in its carry does not grow: the factor of a `LinearSpec` is 1 at most.
    - Steps one by one give what a whole sequence gives, compiled or not.
    - A padded row gives what it gives without its padding, whatever stands there (NaN).
    - A reset starts a new sequence.
    - In reverse, the mirror image of a sequence gives the mirror image of its outputs.
    - A batch gives what its rows give one by one (`jax.vmap`).
    - Gradients are those of finite differences.

    Args:
        cell, input_size: any cell, and D.
        seed: of all that is random.
        tolerance: the largest difference, relative to the largest number, that counts as rounding.

    Raises:
        BrokenPromise: says which promise the cell breaks, and where.
        UserError: the cell cannot be run at all.
    """
    check_cells("check_cell", cell)
    draw = np.random.default_rng(seed)
    with jax.enable_x64(True):

        def drawn(leaf: Any) -> Array:
            return jnp.asarray(np.asarray(leaf) + 0.4 * draw.standard_normal(np.shape(leaf)))

        params = jax.tree.map(drawn, cell.init(jax.random.key(seed), input_size))
        xs = jnp.asarray(draw.standard_normal((_NUM_STEPS, _BATCH_SIZE, input_size)))
        initial = cell.initial_carry(params, (_BATCH_SIZE,))
        trial = _Trial(cell, params, xs, jax.tree.map(drawn, initial), draw)
        _check_shapes(trial, initial)
        _check_decay(trial)
        for check in (_check_steps, _check_padding, _check_resets, _check_mirror, _check_rows):
            check(trial, functools.partial(_alike, cell, seed, tolerance))
        _check_gradients(trial, seed)


def _check_shapes(trial: _Trial, initial: Carry) -> None:
    cell, params, xs, carry, _ = trial

    def types(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype.name), tree)

    def shapes(carry: Carry) -> list[tuple[int, ...]]:
        return [leaf.shape for leaf in jax.tree.leaves(carry)]

    batch = (xs.shape[1],)
    unbatched, batched = shapes(cell.initial_carry(params, ())), shapes(initial)
    if [batch + shape for shape in unbatched] != batched:
        raise BrokenPromise(
            f"{cell!r}: initial_carry(params, (B,)) puts B before the shapes of "
            f"initial_carry(params, ()); it gives {batched} with B = {batch[0]}, and {unbatched}"
        )
    width = cell.output_size(xs.shape[-1])
    if cell.step is None:
        ys = jax.eval_shape(lambda: unroll(cell, params, xs, carry)[1][0])
    else:
        us = jax.eval_shape(cell.project, params, xs[0])
        made = jax.eval_shape(cell.step, params, carry, us)
        if not is_result_of_step(made):
            raise BrokenPromise(f"{cell!r}: a step gives (carry, y_t), y_t an array; got {made}")
        new_carry, ys = made
        if types(new_carry) != types(carry):
            raise BrokenPromise(
                f"{cell!r}: a step gives a carry like the one before it, {types(carry)}; "
                f"it gives {types(new_carry)}"
            )
    if ys.shape != (*batch, width):
        raise BrokenPromise(
            f"{cell!r}: output_size({xs.shape[-1]}) says that y_t has shape "
            f"{[*batch, width]}; it has {list(ys.shape)}"
        )


def _check_decay(trial: _Trial) -> None:
    cell, params, xs, *_ = trial
    if isinstance(cell.spec, LinearSpec):
        a, _ = cell.spec.coefficients(params, cell.project(params, xs))
        largest = float(jnp.abs(a).max())
        if not largest <= 1 + 1e-6:
            raise BrokenPromise(
                f"{cell!r}: a carry that is linear in the one before it does not grow, |a_t| <= 1; "
                f"a_t is up to {largest:.3g}"
            )


def _check_steps(trial: _Trial, alike: Callable[..., None]) -> None:
    cell, params, xs, carry, _ = trial
    whole, loop = _run(cell)(params, xs, carry), unroll_reference(*trial[:4])
    if cell.step is not None:
        ys = []
        for x_t in xs:
            carry, y_t = cell(params, carry, x_t)
            ys.append(y_t)
        alike("steps one by one give what the whole sequence gives", (carry, jnp.stack(ys)), loop)
    alike("unroll gives what a plain loop over time gives", whole, loop)


def _check_padding(trial: _Trial, alike: Callable[..., None]) -> None:
    cell, params, xs, carry, _ = trial
    half = len(xs) // 2
    mask = np.broadcast_to(np.arange(len(xs))[:, None] < half, xs.shape[:2])
    padded = jnp.where(mask[..., None], xs, jnp.nan)
    end, ys = _run(cell)(params, padded, carry, mask=mask, reset=np.zeros_like(mask))
    every = np.ones((half, xs.shape[1]), bool)
    trimmed = _run(cell)(params, xs[:half], carry, mask=every, reset=~every)
    promise = f"{half} steps, padded with NaN, give what they give without padding"
    alike(promise, (end, ys[:half]), trimmed)
    alike("outputs at padding are 0", ys[half:], jnp.zeros_like(ys[half:]))


def _check_resets(trial: _Trial, alike: Callable[..., None]) -> None:
    cell, params, xs, _, _ = trial
    half = len(xs) // 2
    carry = cell.initial_carry(params, xs.shape[1:2])
    every = np.ones(xs.shape[:2], bool)
    reset = ~every
    reset[half] = True
    _, ys = _run(cell)(params, xs, carry, mask=every, reset=reset)
    parts = [
        _run(cell)(params, part, carry, mask=every[:half], reset=~every[:half])[1]
        for part in (xs[:half], xs[half:])
    ]
    alike(f"a reset at step {half} starts a new sequence", ys, jnp.concatenate(parts))


def _check_mirror(trial: _Trial, alike: Callable[..., None]) -> None:
    cell, params, xs, carry, _ = trial
    end, ys = _run(cell, reverse=True)(params, xs[::-1], carry)
    expected = _run(cell)(params, xs, carry)
    alike("in reverse, the mirror image gives the mirror image", (end, ys[::-1]), expected)


def _check_rows(trial: _Trial, alike: Callable[..., None]) -> None:
    cell, params, xs, carry, _ = trial
    rows = jax.vmap(_run(cell), in_axes=(None, 1, 0), out_axes=(0, 1))(params, xs, carry)
    alike("rows one by one (jax.vmap) give what a batch gives", rows, _run(cell)(*trial[1:4]))


def _check_gradients(trial: _Trial, seed: int) -> None:
    cell, params, xs, carry, draw = trial
    mask = jnp.asarray(draw.random(xs.shape[:2]) < 0.8)
    reset = jnp.asarray(draw.random(xs.shape[:2]) < 0.2)
    weights = jax.tree.map(
        lambda leaf: draw.standard_normal(leaf.shape), _run(cell)(params, xs, carry)
    )

    def value(arguments: dict[str, Any]) -> Array:
        out = unroll(cell, **arguments, mask=mask, reset=reset)
        terms = jax.tree.map(lambda leaf, weight: jnp.sum(weight * jnp.sin(leaf)), out, weights)
        return jnp.asarray(sum(jax.tree.leaves(terms)))

    run = _jit(jax.value_and_grad(value))
    arguments = {"params": params, "xs": xs, "carry": carry}
    _, gradients = run(arguments)
    for name, argument in arguments.items():
        direction = jax.tree.map(lambda leaf: draw.standard_normal(leaf.shape), argument)

        def along(distance: float, name: str = name, direction: Any = direction) -> Array:
            moved = jax.tree.map(
                lambda a, d: np.asarray(a) + distance * d, arguments[name], direction
            )
            return run(arguments | {name: moved})[0]

        numeric = (along(_DISTANCE) - along(-_DISTANCE)) / (2 * _DISTANCE)
        products = jax.tree.map(lambda g, d: np.sum(np.asarray(g) * d), gradients[name], direction)
        exact = sum(jax.tree.leaves(products))
        if not np.allclose(exact, numeric, rtol=1e-5, atol=1e-6):
            raise BrokenPromise(
                f"{cell!r}, seed {seed}: gradients are those of finite differences; along a random "
                f"direction of the {name} the gradient gives {exact:.9g}, differences {numeric:.9g}"
            )


def _alike(cell: Cell, seed: int, tolerance: float, promise: str, got: Any, expected: Any) -> None:
    pairs = zip(jax.tree.leaves_with_path(got), jax.tree.leaves(expected), strict=True)
    for (path, one), other in pairs:
        difference = np.abs(np.asarray(one, float) - np.asarray(other, float))
        worst = difference.max(initial=0)
        if not worst <= tolerance * max(1.0, np.abs(other).max(initial=0)):
            where = np.unravel_index(np.nanargmax(np.nan_to_num(difference, nan=np.inf)), one.shape)
            raise BrokenPromise(
                f"{cell!r}, seed {seed}: {promise}; {jax.tree_util.keystr(path) or 'ys'} at "
                f"{list(map(int, where))} is {one[where]:.9g} instead of {other[where]:.9g}"
            )


def _jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Small programs that run once: machine code that is made quickly serves best."""
    quick = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    return jax.jit(function, compiler_options=quick)


@functools.lru_cache(maxsize=16)
def _run(cell: Cell, *, reverse: bool = False) -> Callable[..., tuple[Carry, Array]]:
    return _jit(functools.partial(unroll, cell, reverse=reverse))
