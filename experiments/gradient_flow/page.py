"""The measurements of a layer, and the page that shows them."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnnjax import diagnostics
from rnnjax.cells.cell import Cell
from rnnjax.diagnostics import LayerTrace
from rnnjax.scan import unroll
from rnnjax.training.reporting.progress import aligned
from rnnjax.typing import Array, PRNGKey
from rnnjax.visuals.page import Section, note, render_page, wide_table
from rnnjax.visuals.pictures import draw_lines

CLIP_NORM = 1.0
LARGEST = 1 << 27
"""Numbers in all Jacobians of a layer, at most; beyond it fewer steps are multiplied."""
FLOOR = 1e-18
"""Smaller norms are drawn as this."""

GRADIENT = (
    "How much the loss at a step depends on the carry k steps before, relative to k = 0: the "
    "median over the second half of the steps. The loss is the output of the layer times a random "
    "vector."
)
STEP = (
    "The Jacobian of the last step says how a small change of the carry is passed on: directions "
    "with a singular value below 1 shrink, those above 1 grow."
)
PRODUCT = (
    "The line is the largest singular value of the product of the last k Jacobians, the lower edge "
    "of the shade the median one. No gradient grows by more than the largest."
)
CLIPPING = (
    "Clipping multiplies the whole gradient of the parameters by one factor. It bounds a step of "
    "training where the gradient explodes; it does not bring back what has vanished over distance."
)
MEMORY = (
    "1 / (1 - f) steps for each unit, sorted; f is the mean of the gate that keeps the old state: "
    "f of an LSTM, z of a GRU. "
)
FORGETTING = "Fresh LSTMs whose forget gates begin with a bias b_f, as the gradient above."


class Flow(NamedTuple):
    """The measurements of a layer.

    Attributes:
        gradient: `[K + 1]`, the norm of d loss_t / d carry_{t-k}, the median over t.
        distances: k of the products of the last k Jacobians, from 1 on.
        products: their singular values `[number of distances, N]`.
        of_parameters: the norm of the gradient of the last step's loss.
        memory: steps that each unit remembers, `[H]`; None: there are no gates.
    """

    gradient: np.ndarray
    distances: list[int]
    products: np.ndarray
    of_parameters: float
    memory: np.ndarray | None


def flow(layer: LayerTrace, key: PRNGKey) -> Flow:
    """Measures a layer on the first row of what it read."""
    far = len(layer.xs) // 2
    start = jax.tree.map(lambda leaf: leaf[0, 0], layer.before)
    xs = layer.xs[:, 0]
    norms, of_parameters = _gradients(layer.cell, far, layer.params, start, xs, key)
    size = sum(leaf[0, 0].size for leaf in jax.tree.leaves(layer.before))
    last = max(1, min(far, LARGEST // size**2))
    cut: LayerTrace = layer._replace(
        xs=layer.xs[-last:], before=jax.tree.map(lambda leaf: leaf[-last:], layer.before)
    )
    jacobians = np.asarray(_jacobians(layer.cell, cut.params, cut.xs, cut.before))
    distances = sorted({min(2**n, last) for n in range(20)})
    memory = diagnostics.memory_lengths(layer)
    return Flow(
        np.median(norms, axis=0),
        distances,
        diagnostics.product_singular_values(jacobians, distances),
        float(of_parameters),
        None if memory is None else np.asarray(memory),
    )


@functools.partial(jax.jit, static_argnums=(0, 1))
def _gradients(
    cell: Cell, far: int, params: Any, start: Any, xs: Array, key: PRNGKey
) -> tuple[Array, Array]:
    size = cell.output_size(xs.shape[-1])
    readout = jax.random.normal(key, (size,))
    readout = readout / jnp.linalg.norm(readout)

    def step(carry, x_t):
        carry, y_t = cell.advance(params, carry, x_t)
        return carry, y_t @ readout

    norms = diagnostics.gradient_norms(step, start, xs, max_distance=far)

    def last_loss(params):
        return unroll(cell, params, xs, start, engine="scan")[1][-1] @ readout

    return norms, optax.tree.norm(jax.grad(last_loss)(params))


@functools.partial(jax.jit, static_argnums=0)
def _jacobians(cell: Cell, params: Any, xs: Array, before: Any) -> Array:
    return diagnostics.step_jacobians(LayerTrace(cell, params, xs, before, before))


def render(
    flows: Mapping[tuple[str, str], Flow], forgetting: Mapping[str, Flow], workdirs: Sequence[str]
) -> tuple[str, str]:
    """A table for the terminal, and the page.

    Args:
        flows: by cell or layer, and variant.
        forgetting: of LSTMs with different forget biases.
        workdirs: of the trained runs; empty: the cells are fresh.
    """
    heads = ("cell", "variant", "gradient far / near", "largest singular value, product",
             "gradient of params", f"clipped to {CLIP_NORM:g}")  # fmt: skip
    rows = [
        (*key, f"{_relative(one)[-1]:.2g}", f"{one.products[-1, 0]:.2g}",
         f"{one.of_parameters:.3g}", f"x {min(1.0, CLIP_NORM / one.of_parameters):.2g}"
         if one.of_parameters else "x 1")
        for key, one in flows.items()
    ]  # fmt: skip
    far = max(len(one.gradient) for one in flows.values()) - 1
    told = note(f"far: {far} steps back, or as far as the sequence allows. {CLIPPING}")
    distance = "distance k, in steps"
    gradient = _panels(flows, lambda one: (range(len(one.gradient)), _relative(one)), by_cell=False)
    steps = _panels(flows, lambda one: (range(1, len(one.products[0]) + 1), one.products[0]))
    products = _panels(flows, lambda one: (one.distances, _edges(one.products)))
    gated = {key: one for key, one in flows.items() if one.memory is not None}
    gateless = list(dict.fromkeys(name for name, _ in flows.keys() - gated.keys()))
    without = f"No gates, so no such length: {', '.join(sorted(gateless))}." if gateless else ""
    sections = [
        Section("Gradient against distance in time", html=note(GRADIENT),
                png=draw_lines(gradient, distance, "norm of the gradient", log=True)),
        Section("Singular values of products over time", html=note(PRODUCT),
                png=draw_lines(products, distance, "singular value", log=True)),
        Section("Singular values of a step", html=note(STEP),
                png=draw_lines(steps, "rank", "singular value")),
        Section("Clipping", html=told + wide_table(heads, rows, range(2, len(heads)))),
    ]  # fmt: skip
    if forgetting:
        lines = {name: (range(far + 1), _relative(one)) for name, one in forgetting.items()}
        picture = draw_lines({"": lines}, distance, "norm of the gradient", log=True)
        sections.append(Section("Forget bias", html=note(FORGETTING), png=picture))
        gated |= {("lstm", name): one for name, one in forgetting.items()}
    memory = _panels(gated, lambda one: (range(1, len(one.memory) + 1), -np.sort(-one.memory)))
    picture = draw_lines(memory, "unit", "steps", log=True) if gated else b""
    sections.append(Section("Memory length of each unit", html=note(MEMORY + without), png=picture))
    about = f"trained: {', '.join(workdirs)}" if workdirs else "fresh cells"
    return aligned([heads, *rows], range(2, len(heads))), render_page(
        "How the gradient flows through time", about, {}, sections
    )


def _relative(one: Flow) -> np.ndarray:
    return one.gradient / max(one.gradient[0], np.finfo(np.float32).tiny)


def _edges(values: np.ndarray) -> np.ndarray:
    """Median singular value, and twice the largest, `[3, number of distances]`."""
    return np.stack([np.median(values, axis=1), values[:, 0], values[:, 0]]).clip(FLOOR)


def _panels(
    flows: Mapping[tuple[str, str], Flow], line: Callable[[Any], Any], *, by_cell: bool = True
) -> dict[str, dict[str, Any]]:
    """A panel for each cell with a line for each variant; or the other way round."""
    panels: dict[str, dict[str, Any]] = {}
    for (cell, variant), one in flows.items():
        panel, name = (cell, variant) if by_cell else (variant, cell)
        panels.setdefault(panel, {})[name] = line(one)
    return panels
