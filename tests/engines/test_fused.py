"""The fused engines against the scan, differentiated by JAX."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.engines import batch_major, fused, target, transposed, transposed_inputs
from rnnjax.engines.target import compiling_for

T, B, D, H = 11, 3, 4, 6
CELLS = {
    "lstm": ("fused_lstm", rnnjax.lstm),
    "gru": ("fused_gru", rnnjax.gru),
    "gru without reset": ("fused_gru", functools.partial(rnnjax.gru, reset="none")),
    "rnn": ("fused_rnn", rnnjax.rnn),
    "relu": ("fused_rnn", functools.partial(rnnjax.rnn, activation=jax.nn.relu)),
}
# Each option meets each other option. What the families share is tested with the first of them.
OPTIONS = [
    {"remat": "none", "mask": False, "reset": False, "reverse": False},
    {"remat": "none", "mask": True, "reset": True, "reverse": True},
    {"remat": "gates", "mask": True, "reset": False, "reverse": False},
    {"remat": "gates", "mask": False, "reset": True, "reverse": True},
    {"remat": "sqrt", "mask": True, "reset": True, "reverse": False},
    {"remat": "sqrt", "mask": False, "reset": False, "reverse": True},
]


@pytest.fixture(autouse=True)
def _of_these_sizes(monkeypatch):
    """These few rows are transposed on a CPU; these few steps are several chunks, one padded."""
    monkeypatch.setattr(fused, "_MULTIPLE", 1)
    monkeypatch.setattr(fused, "_ROWS", 0)
    monkeypatch.setattr(fused, "_NARROW_ROWS", 0)
    monkeypatch.setattr(transposed, "GATES", 1)
    monkeypatch.setattr(transposed, "_UNITS", 0)
    monkeypatch.setattr(transposed, "_NUMBERS", 0)
    monkeypatch.setattr(transposed, "_CHUNK_ROWS", 4 * B)
    monkeypatch.setattr(transposed, "_CHUNK_OF_WEIGHTS", 0)


@pytest.fixture(params=["cpu", "gpu"])
def platform(request):
    """The layouts of the two kinds of machines; all of it runs on the machine of the test."""
    with compiling_for(request.param):
        yield request.param


def random_like(seed, tree, dtype):
    """Numbers of the size of weights, biases included."""
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda a: jnp.asarray(random.normal(0, 0.5, a.shape).astype(dtype)), tree)


def arguments(cell, dtype, batch=(B,), input_size=D):
    """Parameters, inputs, first carry and the carry that a reset puts back: all random."""
    params = random_like(0, cell.init(jax.random.key(0), input_size), dtype)
    xs = random_like(1, jnp.zeros((T, *batch, input_size)), dtype)
    carry = cell.initial_carry(params, batch)
    return params, xs, random_like(2, carry, dtype), random_like(3, carry, dtype)


def flags(options):
    """The mask and the reset of a row of `OPTIONS`, with padding inside rows too."""
    random = np.random.default_rng(4).random((2, T, B))
    mask = jnp.asarray(random[0] < 0.7) if options["mask"] else None
    reset = jnp.asarray(random[1] < 0.3) if options["reset"] else None
    return {"mask": mask, "reset": reset, "reverse": options["reverse"]}


def outputs_and_gradients(unroll, args):
    """All that an unroll gives, and its gradients by every argument."""

    def loss(params, xs, carry, initial):
        last, ys = unroll(params, xs, carry, initial=initial)
        return sum(jnp.sum(jnp.sin(a + 1)) for a in jax.tree.leaves((last, ys))), (last, ys)

    return jax.jit(jax.grad(loss, argnums=(0, 1, 2, 3), has_aux=True))(*args)


def error(actual, expected):
    """The largest difference, relative to the largest number of each array."""
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    return max(
        np.abs(np.asarray(a) - np.asarray(e)).max() / (np.abs(e).max() or 1)
        for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True)
    )


CASES = [
    *[("lstm", options) for options in OPTIONS],
    *[(name, OPTIONS[row]) for name, row in [("gru", 1), ("gru", 4), ("rnn", 1), ("rnn", 2)]],
    *[("gru without reset", OPTIONS[1]), ("relu", OPTIONS[3])],
]


def float64_error(engine, cell, options, platforms=("cpu",), input_size=D):
    """How far outputs and gradients are from those of the scan, at most.

    The loop in Python compiles slowly; `check_cell` holds the scan against it for each cell.
    """
    run = functools.partial(rnnjax.unroll, cell, **flags(options))
    with jax.enable_x64(True):
        args = arguments(cell, jnp.float64, input_size=input_size)
        expected = outputs_and_gradients(functools.partial(run, engine="scan"), args)
        ours = functools.partial(run, engine=engine, remat=options["remat"])
        errors = []
        for platform in platforms:
            with compiling_for(platform):
                errors.append(error(outputs_and_gradients(ours, args), expected))
        return max(errors)


def of_family(name):
    """The engine of a name of `CELLS`, and a cell."""
    engine, make = CELLS[name]
    return engine, make(H)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_float64_outputs_and_gradients_are_those_of_the_scan(name, options):
    assert float64_error(*of_family(name), options, ["cpu", "gpu"]) < 1e-12


@pytest.mark.parametrize(("name", "small"), [("lstm", 0), ("lstm", 2048), ("gru", 0)])
def test_large_inputs_have_a_matmul_of_their_own(name, small, monkeypatch):
    monkeypatch.setattr(transposed_inputs, "_SMALL", small)
    monkeypatch.setattr(transposed_inputs, "_MEDIUM", 0)
    assert float64_error(*of_family(name), OPTIONS[4]) < 1e-12


@pytest.mark.parametrize(("name", "options"), [("lstm", OPTIONS[1]), ("gru", OPTIONS[4])])
def test_as_many_inputs_as_outputs_on_a_cpu(name, options):
    """The derivatives of the one take the place of those of the other."""
    assert float64_error(*of_family(name), options, input_size=H) < 1e-12


def test_as_many_inputs_as_outputs_need_less_memory_than_fewer():
    cell = rnnjax.lstm(16)

    def temporary_memory(input_size):
        params = cell.init(jax.random.key(0), input_size)
        loss = lambda p, x: jnp.sum(rnnjax.unroll(cell, p, x)[1] ** 2)  # noqa: E731
        gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
        program = gradient.lower(params, jnp.zeros((256, B, input_size))).compile()
        return program.memory_analysis().temp_size_in_bytes

    with compiling_for("cpu"):
        assert temporary_memory(16) < temporary_memory(15) - 0.9 * (4 * 256 * B * 16)


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize(("name", "kept"), [("rnn", 0), ("gru", 4), ("lstm", 5)])
def test_what_the_backward_pass_keeps_besides_the_outputs(name, kept):
    cell = CELLS[name][1](H)
    params, xs, *_ = arguments(cell, jnp.float32)
    ys, pull_back = jax.vjp(lambda p, x: rnnjax.unroll(cell, p, x)[1], params, xs[:9])
    of_outputs = [a.size / ys.size for a in jax.tree.leaves(pull_back)]
    assert sum(share for share in of_outputs if share.is_integer()) == 1 + kept


@pytest.mark.parametrize(
    ("name", "input_size", "few_weights", "rows"),
    [
        ("lstm", D, 2**19, [2 * H, 2 * H]),
        ("gru without reset", D, 2**19, [H, H]),
        ("rnn", D, 2**19, [H]),
        ("lstm", D, 0, [4 * H, 4 * H]),
        ("lstm", 6000, 2**19, [4 * H, 4 * H]),
        ("gru", D, 2**19, [3 * H, 3 * H]),
    ],
)
def test_matmuls_of_a_step_on_a_cpu(name, input_size, few_weights, rows, monkeypatch):
    monkeypatch.setattr(transposed_inputs, "_FEW_WEIGHTS", few_weights)
    engine, make = CELLS[name]
    cell = make(H)
    params = jax.eval_shape(lambda key: cell.init(key, input_size), jax.random.key(0))
    xs = jax.ShapeDtypeStruct((T, B, input_size), jnp.float32)
    with compiling_for("cpu"):
        program = jax.make_jaxpr(lambda p, x: rnnjax.unroll(cell, p, x, engine=engine)[1])(
            params, xs
        )
    matmuls = re.findall(r"f32\[(\d+),\d+\] = dot_general\[", str(program))
    assert [int(num_rows) for num_rows in matmuls] == rows


@pytest.mark.parametrize(
    ("remat", "of_all_steps", "of_one_step"),
    [
        ("none", ["W x", "dW", "dx", "dU"], ["U h", "dh"]),
        ("gates", ["W x", "W x", "U h", "dW", "dx", "dU"], ["U h", "dh"]),
        ("sqrt", ["W x", "W x", "W x", "U h", "dW", "dx", "dU"], ["U h", "U h", "dh"]),
    ],
)
def test_matmuls_on_an_accelerator(remat, of_all_steps, of_one_step):
    cell = rnnjax.lstm(H)
    params, xs, *_ = jax.eval_shape(lambda: arguments(cell, jnp.float32))

    def loss(params, xs):
        return jnp.sum(rnnjax.unroll(cell, params, xs, remat=remat)[1] ** 2)

    with compiling_for("tpu"):
        program = jax.make_jaxpr(jax.grad(loss, argnums=(0, 1)))(params, xs)
    chunk = T if remat == "none" else 4
    shapes = {"W x": (chunk, B, 4 * H), "U h": (chunk, B, 4 * H), "dx": (chunk, B, D)}
    shapes |= {"dW": (D, 4 * H), "dU": (H, 4 * H)}
    expected = [shapes[name] for name in of_all_steps]
    expected += [{"U h": (B, 4 * H), "dh": (B, H)}[name] for name in of_one_step]
    found = re.findall(r"f32\[([\d,]+)\] = dot_general\[", str(program))
    assert sorted(tuple(map(int, shape.split(","))) for shape in found) == sorted(expected)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(
    ("multiple", "units", "few_weights", "matrix", "matmuls"),
    [
        pytest.param(1, 9999, 2**19, 2**18, "one", id="small"),
        pytest.param(2, 0, 2**19, 2**18, "one", id="rows that fill no vector register"),
        pytest.param(2, 0, 0, 2**18, "two", id="large weights"),
        pytest.param(2, 0, 0, 0, "ahead", id="a large matrix for few rows"),
    ],
)
def test_a_forward_pass_alone_on_a_cpu(
    name, multiple, units, few_weights, matrix, matmuls, monkeypatch
):
    monkeypatch.setattr(fused, "_MULTIPLE", multiple)
    monkeypatch.setattr(transposed, "_UNITS", units)
    monkeypatch.setattr(batch_major, "_FEW_WEIGHTS", few_weights)
    monkeypatch.setattr(target, "_MATRIX", matrix)
    engine, make = CELLS[name]
    with jax.enable_x64(True):
        cell = make(H)
        params, xs, carry, initial = arguments(cell, jnp.float64)

        def run(engine, params, xs, carry, initial):
            options = flags(OPTIONS[1])
            return rnnjax.unroll(cell, params, xs, carry, initial=initial, engine=engine, **options)

        args = params, xs, carry, initial
        with compiling_for("cpu"):
            by_hand = functools.partial(run, engine)
            assert error(jax.jit(by_hand)(*args), run("scan", *args)) < 1e-13
            program = str(jax.make_jaxpr(by_hand)(*args))
    G = params.w_hh.shape[1] // H
    of_a_step, of_all = f"{B},{G * H}", f"{T},{B},{G * H}"
    shapes = {"one": [of_a_step], "two": [of_a_step] * 2, "ahead": [of_a_step, of_all]}
    apart = matmuls == "one" and name in ("gru", "rnn", "relu")
    expected = shapes["two" if apart else matmuls]
    assert sorted(re.findall(r"f64\[([\d,]+)\] = dot_general\[", program)) == sorted(expected)


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_bfloat16_narrows_the_operands_only(name):
    engine, make = CELLS[name]
    params, *others = arguments(make(H), jnp.float32)
    args = jax.tree.map(lambda a: a / 2, params), *others
    narrow, wide = (
        outputs_and_gradients(
            functools.partial(rnnjax.unroll, make(H, compute_dtype=dtype), engine=engine), args
        )
        for dtype in (jnp.bfloat16, None)
    )
    assert all(a.dtype == jnp.float32 for a in jax.tree.leaves(narrow))
    assert 1e-4 < error(narrow, wide) < 0.05


@pytest.mark.parametrize(("name", "row"), [("lstm", 0), ("gru", 4)])
def test_the_gradient_of_a_gradient_on_a_cpu(name, row):
    """With narrow operands, of which the gates are saved as integers."""
    engine, make = CELLS[name]
    cell = make(H, compute_dtype=jnp.bfloat16)
    given = flags(OPTIONS[row])

    def second(engine, remat):
        run = functools.partial(rnnjax.unroll, cell, engine=engine, remat=remat, **given)

        def penalty(args):
            gradients, _ = outputs_and_gradients(run, args)
            return sum(jnp.sum(a**2) for a in jax.tree.leaves(gradients))

        return jax.jit(jax.grad(penalty))(arguments(cell, jnp.float32))

    assert error(second(engine, OPTIONS[row]["remat"]), second("scan", "none")) < 0.05


@pytest.mark.parametrize(
    ("cell", "num_steps", "num_rows", "dtype", "laid_out"),
    [
        ("lstm", 1, 3, jnp.bfloat16, False),
        ("lstm", 1, 4, jnp.bfloat16, True),  # a row for four of the 16 rows of the weights
        ("lstm", 2, 16, None, True),
        ("lstm", 1, 16, None, False),
        ("lstm", 3, 12, None, False),  # B is no multiple of 16
        ("rnn", 2, 16, None, False),  # one gate
        ("rnn", 2, 16, jnp.bfloat16, True),
    ],
)
def test_when_a_cpu_lays_out_the_weights(cell, num_steps, num_rows, dtype, laid_out, monkeypatch):
    monkeypatch.setattr(transposed, "GATES", 2)
    for name, value in {"_MULTIPLE": 16, "_ROWS": 2, "_NARROW_ROWS": 0.25}.items():
        monkeypatch.setattr(fused, name, value)
    calls = []
    unroll = transposed.unroll
    monkeypatch.setattr(transposed, "unroll", lambda *args: calls.append(1) or unroll(*args))
    engine, make = CELLS[cell]
    run = functools.partial(rnnjax.unroll, make(8, compute_dtype=dtype), engine=engine)
    params = make(8).init(jax.random.key(0), 8)
    with compiling_for("cpu"):
        jax.eval_shape(run, params, jnp.zeros((num_steps, num_rows, 8)))
    assert bool(calls) == laid_out


def test_on_an_accelerator_gates_and_their_derivatives_are_as_narrow_as_the_operands():
    cell = rnnjax.lstm(H, compute_dtype=jnp.bfloat16)
    params, xs, *_ = jax.eval_shape(lambda: arguments(cell, jnp.float32))
    with compiling_for("gpu"):
        program = jax.make_jaxpr(jax.grad(lambda p, x: rnnjax.unroll(cell, p, x)[1].sum()))(
            params, xs
        )
    assert set(re.findall(rf"(\w+)\[{T},{B},{5 * H}\]", str(program))) == {"bf16"}
    derivatives_and_projected = re.findall(rf"(\w+)\[{T},{B},{4 * H}\]", str(program))
    assert set(derivatives_and_projected) == {"bf16", "f32"}


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize("remat", ["none", "gates", "sqrt"])
def test_weights_are_narrowed_outside_of_the_loops(remat):
    cell = rnnjax.lstm(H, compute_dtype=jnp.bfloat16)
    params, xs, *_ = jax.eval_shape(lambda: arguments(cell, jnp.float32))

    def loss(params, xs):
        return jnp.sum(rnnjax.unroll(cell, params, xs, remat=remat)[1] ** 2)

    def narrowed(program, looping):
        for equation in program.eqns:
            inner = equation.params.get("jaxpr")
            if inner is not None:
                within = looping or equation.primitive.name == "scan"
                yield from narrowed(getattr(inner, "jaxpr", inner), within)
            elif equation.params.get("new_dtype") == jnp.bfloat16:
                yield equation.invars[0].aval.shape, looping

    program = jax.make_jaxpr(jax.grad(loss, argnums=(0, 1)))(params, xs)
    found = set(narrowed(program.jaxpr, looping=False))
    assert {((D, 4 * H), False), ((H, 4 * H), False)} <= found
    assert not {((D, 4 * H), True), ((H, 4 * H), True)} & found


@pytest.mark.usefixtures("platform")
def test_any_batch_dimensions():
    cell = rnnjax.lstm(H)
    args = arguments(cell, jnp.float32, batch=(2, 3))
    run = functools.partial(rnnjax.unroll, cell, engine="fused_lstm")
    many = outputs_and_gradients(run, args)
    plain = outputs_and_gradients(functools.partial(rnnjax.unroll, cell, engine="scan"), args)
    assert error(many, plain) < 1e-5
    _, (_, ys) = many
    _, alone = jax.jit(run)(args[0], args[1][:, 1, 2], jax.tree.map(lambda a: a[1, 2], args[2]))
    assert error(alone, ys[:, 1, 2]) < 1e-5


@pytest.mark.usefixtures("platform")
def test_vmap_over_parameters_is_a_loop_over_them():
    cell = rnnjax.gru(H)
    xs = arguments(cell, jnp.float32)[1]
    models = [random_like(seed, cell.init(jax.random.key(0), D), jnp.float32) for seed in (7, 8)]
    gradient = jax.grad(lambda p: jnp.sum(rnnjax.unroll(cell, p, xs, engine="fused_gru")[1] ** 2))
    one = jax.jit(gradient)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    looped = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(one, models))
    assert error(jax.jit(jax.vmap(gradient))(stacked), looped) < 1e-5


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_the_program_is_as_long_for_a_hundred_steps_as_for_ten(name, monkeypatch):
    monkeypatch.setattr(transposed, "_CHUNK_ROWS", 5 * B)
    engine, make = CELLS[name]
    cell = make(H)
    params = cell.init(jax.random.key(0), D)

    def length(num_steps):
        xs = jnp.zeros((num_steps, B, D))
        loss = lambda p, x: jnp.sum(rnnjax.unroll(cell, p, x, engine=engine)[1] ** 2)  # noqa: E731
        return str(jax.make_jaxpr(jax.grad(loss))(params, xs)).count(" = ")

    assert length(10) == length(100)


@pytest.mark.parametrize("layout", [transposed, batch_major])
@pytest.mark.parametrize("remat", ["none", "gates", "sqrt"])
@pytest.mark.parametrize("batch_size", [1, 32, 5000])
def test_chunks_cover_the_sequence_with_little_padding(layout, batch_size, remat):
    for num_steps in range(1, 200):
        chunk = layout.chunk_size(num_steps, batch_size, 256, remat)
        num_chunks = -(-num_steps // chunk)
        assert 1 <= chunk <= num_steps
        assert num_chunks * chunk - num_steps < num_chunks
