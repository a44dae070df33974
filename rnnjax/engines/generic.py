"""The engine for any cell on a CPU, with a backward pass of its own.

JAX differentiates a loop by adding to the gradient of the parameters in every step: a small matmul
that reads and writes the whole gradient. Here the backward loop carries only the cotangent of the
carry, and one batched call computes the gradient of the parameters for many steps. The forward pass
saves the carries. The backward pass recomputes the steps of a chunk in parallel, as their carries
are known. Where a step reads many numbers for each parameter, JAX's own gradient is faster and is
used instead.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.engines.problem import SYMBOLIC, Engine, Problem, guarded_step
from rnnjax.engines.scan import on_rows
from rnnjax.engines.target import platform, projects_ahead
from rnnjax.typing import Array, Carry, Params

ROWS = 512
"""Rows in a chunk, over all its steps: few enough for its arrays to stay in a core's cache."""
MEMORY = 8
"""The engine does not pay for a carry with more than this many times the numbers that a step reads
(a matrix, for example): reading the saved carries again is then slow."""
REUSE, SMALL = 8, 4
"""The backward pass recomputes the steps if there are at least REUSE parameters for each number
that a step reads ((D + H) / B for an LSTM), or if a step reads at least SMALL times as many numbers
as the carry holds."""

Step = Callable[[Any, Carry, Any], tuple[Carry, Array]]
"""`(constants, carry, inputs of a step) -> (carry, y_t)`."""


def _serves(problem: Problem) -> str | None:
    if problem.is_symbolic:
        return SYMBOLIC
    if problem.remat == "sqrt":
        return 'it keeps the carry of every step, which remat="sqrt" does not'
    for leaf in jax.tree.leaves((problem.params, problem.carry)):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return f"its backward pass is for real numbers, and the cell holds {leaf.dtype}"
    return None


def _pays(problem: Problem) -> str | None:
    if platform() != "cpu":
        return "was measured on CPUs alone"
    numbers, read = _size(problem.carry), _size(_us_of_a_step(problem))
    if numbers > MEMORY * read:
        return (
            f"does not pay for a carry of {numbers:,} numbers (it does up to {MEMORY} times the "
            f"{read:,} that a step reads)"
        )
    return None


def _run(problem: Problem) -> tuple[Carry, Array]:
    inputs, us_of_a_step = problem.xs, _us_of_a_step(problem)
    projected = _projected_at_once(problem, us_of_a_step)
    if projected:
        with jax.named_scope("project"):
            inputs = problem.cell.project(problem.params, problem.xs, problem.key)

    def run(part, inputs):
        def step(constants, carry, inputs):
            params, initial = constants
            u_t, *flags = inputs
            if not projected:
                with jax.named_scope("project"):
                    u_t = problem.cell.project(params, u_t)
            return guarded_step(part._replace(params=params, initial=initial), carry, (u_t, *flags))

        constants, flags = (part.params, part.initial), (part.mask, part.reset)
        read = _size(us_of_a_step)
        return _unrolled(problem, read, step, constants, part.carry, (inputs, *flags))

    return on_rows(problem, inputs, run)


def _projected_at_once(problem: Problem, us_of_a_step: Any) -> bool:
    """Whether the inputs of all steps are projected before the loop.

    Noise is drawn for all steps at once, so that it does not depend on the engine.
    """
    if problem.key is not None:
        return True
    width = sum(leaf.shape[-1] for leaf in jax.tree.leaves(us_of_a_step) if leaf.ndim)
    return projects_ahead(problem.xs.shape[-1] * width, math.prod(problem.xs.shape[1:-1]))


def _us_of_a_step(problem: Problem) -> Any:
    return jax.eval_shape(problem.cell.project, problem.params, problem.xs[0])


def _size(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def _unrolled(
    problem: Problem,
    read: int,
    step: Step,
    constants: tuple[Params, Carry],
    carry: Carry,
    inputs: Any,
) -> tuple[Carry, Array]:
    """Runs the steps in a loop, with `_backward` as the backward pass where that is faster.

    `read` is the number of projected inputs that a step reads.
    """
    scan = functools.partial(jax.lax.scan, reverse=problem.reverse, unroll=problem.scan_unroll)
    pays = _size(problem.params) >= REUSE * read or read >= SMALL * _size(problem.carry)
    if not pays and problem.remat == "none":
        return scan(functools.partial(step, constants), carry, inputs)

    # A step may close over arrays that the caller differentiates with respect to.
    pure, outside = jax.closure_convert(step, constants, carry, _first(inputs))

    def pure_step(constants, carry, inputs):
        return pure(constants[0], carry, inputs, *constants[1])

    @jax.custom_vjp
    def unrolled(constants, carry, inputs):
        return scan(functools.partial(pure_step, constants), carry, inputs)

    def forward(constants, carry, inputs):
        def keeping(carry, inputs):
            new_carry, y_t = pure_step(constants, carry, inputs)
            return new_carry, (y_t, carry)

        carry, (ys, carries) = scan(keeping, carry, inputs)
        return (carry, ys), (constants, carries, inputs)

    def backward(kept, cotangents):
        return _backward(pure_step, problem.reverse, *kept, *cotangents)

    unrolled.defvjp(forward, backward)
    return unrolled((constants, outside), carry, inputs)


def _backward(
    step: Step, reverse: bool, constants: Any, carries: Carry, inputs: Any, d_carry: Any, d_ys: Any
) -> tuple[Any, Carry, Any]:
    """The cotangents of constants, first carry and inputs.

    Args:
        step, reverse: how the steps ran.
        constants: what all steps share.
        carries, inputs: what each step started from and read, `[T, ...]`.
        d_carry, d_ys: the cotangents of the last carry and of the outputs `[T, ...]`.
    """
    num_steps, num_rows = len(d_ys), math.prod(d_ys.shape[1:-1])
    num_chunks = math.ceil(num_steps * max(1, num_rows) / ROWS)
    size = math.ceil(num_steps / num_chunks)
    padding = num_chunks * size - num_steps
    linear = _Linear.of(step, constants, _first(carries), _first(inputs))

    def in_chunks(tree: Any, **padded) -> Any:
        def parted(a: Array) -> Array:
            a = jnp.pad(a, [(0, padding), *[(0, 0)] * (a.ndim - 1)], **padded)
            return a.reshape(num_chunks, size, *a.shape[1:])

        return jax.tree.map(parted, tree)

    def through_chunk(state, chunk):
        d_carry, d_constants = state
        carries, inputs, d_ys, real = chunk
        fixed, moving = linear.side_by_side(constants, carries, inputs)

        def back(d_carry, at_t):
            moving, d_y, real = at_t
            d_before = linear.transposed(fixed, moving, (d_carry, d_y))
            if padding:
                d_before = _where(real, d_before, d_carry)
                d_carry = _where(real, d_carry, jax.tree.map(jnp.zeros_like, d_carry))
            return d_before, d_carry

        d_carry, d_carries = jax.lax.scan(back, d_carry, (moving, d_ys, real), reverse=not reverse)
        _, transposed = jax.vjp(
            lambda constants, inputs: jax.vmap(functools.partial(step, constants))(carries, inputs),
            constants,
            inputs,
        )
        more, d_inputs = transposed((d_carries, d_ys))
        return (d_carry, jax.tree.map(jnp.add, d_constants, more)), _of_floats(d_inputs)

    (d_carry, d_constants), d_inputs = jax.lax.scan(
        through_chunk,
        (d_carry, jax.tree.map(jnp.zeros_like, constants)),
        (
            *in_chunks((carries, inputs), mode="edge"),  # as finite as the last real step
            *in_chunks((d_ys, jnp.ones(num_steps, bool))),
        ),
        reverse=not reverse,
    )
    d_inputs = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:num_steps], d_inputs)
    return d_constants, d_carry, d_inputs


class _Linear(NamedTuple):
    """The transposed Jacobian of a step: from the cotangents of its results to that of its carry.

    Attributes:
        tree: the structure of the function that `jax.vjp` returns, which is a pytree of arrays.
        moves: for each of these arrays, whether it differs from step to step.
    """

    step: Step
    tree: Any
    moves: list[bool]

    @classmethod
    def of(cls, step: Step, constants: Any, carry: Carry, inputs: Any) -> "_Linear":
        """For a step with a carry and inputs of these shapes."""
        tree = jax.tree.structure(
            jax.eval_shape(functools.partial(_transposed, step), constants, carry, inputs)
        )
        leaves = functools.partial(_leaves, step)
        jaxpr = jax.make_jaxpr(leaves)(constants, carry, inputs).jaxpr
        moving = {id(v) for v in jaxpr.invars[len(jax.tree.leaves(constants)) :]}
        for equation in jaxpr.eqns:
            if any(id(v) in moving for v in equation.invars):
                moving.update(map(id, equation.outvars))
        return cls(step, tree, [id(v) in moving for v in jaxpr.outvars])

    def side_by_side(self, constants: Any, carries: Carry, inputs: Any) -> tuple[list, list]:
        """The arrays that are the same at all steps, and those of each step, `[K, ...]`."""
        leaves = jax.vmap(
            functools.partial(_leaves, self.step, constants),
            out_axes=[0 if moves else None for moves in self.moves],
        )(carries, inputs)
        by_kind: tuple[list, list] = [], []
        for leaf, moves in zip(leaves, self.moves, strict=True):
            by_kind[moves].append(leaf)
        return by_kind

    def transposed(self, fixed: list, moving: list, cotangents: tuple[Carry, Array]) -> Carry:
        """The cotangent of the carry before a step."""
        kinds = iter(fixed), iter(moving)
        leaves = [next(kinds[moves]) for moves in self.moves]
        (d_carry,) = jax.tree.unflatten(self.tree, leaves)(cotangents)
        return d_carry


def _transposed(step: Step, constants: Any, carry: Carry, inputs: Any) -> Any:
    return jax.vjp(lambda carry: step(constants, carry, inputs), carry)[1]


def _leaves(step: Step, constants: Any, carry: Carry, inputs: Any) -> list[Array]:
    return jax.tree.leaves(_transposed(step, constants, carry, inputs))


def _first(tree: Any) -> Any:
    return jax.tree.map(lambda a: a[0], tree)


def _where(flag: Array, on_true: Any, on_false: Any) -> Any:
    return jax.tree.map(functools.partial(jnp.where, flag), on_true, on_false)


def _of_floats(cotangents: Any) -> Any:
    """None in place of the cotangents of flags and integers."""
    return jax.tree.map(lambda d: None if d.dtype == jax.dtypes.float0 else d, cotangents)


GENERIC = Engine(name="generic", serves=_serves, run=_run, pays=_pays)
