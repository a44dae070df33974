import re

import jax
import jax.numpy as jnp
import pytest

from rnnjax.training.profiling.programs import EXCHANGE, read_programs, scope_of, source_of

T, B, H = 7, 4, 16


def descend(w, xs):
    """A recurrence whose parts are named, but for the last one."""

    def loss(w):
        with jax.named_scope("scan"):
            with jax.named_scope("project"):
                us = xs @ w

            def step(h_tm1, u_t):
                h_t = jnp.tanh(h_tm1 @ w + u_t)
                return h_t, h_t

            _, hs = jax.lax.scan(step, jnp.zeros((B, H)), us)
        with jax.named_scope("loss"):
            return jnp.sum(hs**2)

    grads = jax.grad(loss)(w)
    with jax.named_scope("optimizer"):
        w = w - 0.1 * grads
    return jnp.fft.fft(w).real


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The program as a trace tells it, and as XLA prints it."""
    folder = tmp_path_factory.mktemp("trace")
    step = jax.jit(descend)
    arguments = jnp.ones((H, H)), jnp.ones((T, B, H))
    with jax.profiler.trace(folder):
        step(*arguments).block_until_ready()
    (trace,) = folder.glob("plugins/profile/*/*.xplane.pb")
    (program,) = read_programs(trace.read_bytes(), "jit_descend").values()
    return program, step.lower(*arguments).compile().as_text()


def test_a_trace_tells_every_instruction_that_xla_prints(both):
    program, text = both
    printed = dict(re.findall(r"^ *(?:ROOT )?%([\w.\-]+) = .*? ([a-z\-]+)\(", text, re.M))
    assert {name: one.kind for name, one in program.items()} == printed
    assert len(printed) > 50


def test_scopes_are_those_that_xla_prints(both):
    program, text = both
    names = re.findall(r'%([\w.\-]+) = .*op_name="([^"]*)"', text)
    assert len(names) > 30
    seen = set()
    for name, op_name in names:
        one = program[name]
        words = [word for word in re.findall(r"\w+", op_name) if word in scopes()]
        if words:
            assert one.scope == words[-1], (name, op_name)
        assert one.backward == ("transpose(" in op_name)
        assert op_name.rstrip(")").endswith(one.source.rstrip(")"))
        seen.add(one.scope)
    assert seen >= {"scan", "project", "loss", "optimizer"}


def scopes():
    return {"embed", "project", "scan", "head", "loss", "optimizer"}


def test_what_the_compiler_adds_has_the_scope_of_the_loop_around_it(both):
    """Copies and counters in the loops' bodies have no name of their own."""
    program, text = both
    bodies = re.findall(r"body=%([\w.\-]+)", text)
    assert bodies
    nameless = 0
    for body in bodies:
        block = text.split(f"%{body} (", 1)[1].split("\n}", 1)[0]
        for name, rest in re.findall(r"^ *(?:ROOT )?%([\w.\-]+) = (.*)", block, re.M):
            nameless += "op_name" not in rest
            assert program[name].scope, name
    assert nameless > 0


def test_what_stands_in_no_part_has_no_scope(both):
    program, _ = both
    assert any(one.kind == "fft" for one in program.values())
    for one in program.values():
        if one.kind == "fft":
            assert one.scope == ""


@pytest.mark.parametrize(
    ("op_name", "scope"),
    [
        ("jit(train_step)/jvp(scan)/while/body/project/dot_general", "project"),
        ("jit(train_step)/transpose(jvp(head))/dot_general", "head"),
        ("jit(train_step)/optimizer/mul", "optimizer"),
        ("jit(scanner)/headless/loss_fn/mul", ""),
        ("", ""),
    ],
)
def test_the_innermost_part_counts(op_name, scope):
    assert scope_of(op_name) == scope


def field(number, *values):
    """A field of a protocol buffer that holds bytes, as often as there are values."""
    return b"".join(bytes([number << 3 & 127 | 130, number >> 4]) + length(v) + v for v in values)


def length(value):
    return bytes([len(value) & 127 | 128, len(value) >> 7])


def test_a_source_has_its_own_brackets_only():
    assert source_of("jit(f)/transpose(jvp(scan/reduce_sum))") == "reduce_sum"
    assert source_of("jit(f)/jit(take_along_axis)") == "jit(take_along_axis)"


def instruction(name, kind, op_name):
    return field(1, name) + field(2, kind) + field(7, field(2, op_name))


@pytest.mark.parametrize("kind", [b"all-reduce", b"all-gather-start", b"reduce-scatter"])
def test_exchange_between_devices_is_told_apart(kind):
    op_name = b"jit(f)/transpose(jvp(head))/dot_general"
    computation = field(2, instruction(b"a.1", kind, op_name), instruction(b"b.2", b"dot", op_name))
    module = field(1, b"jit_f") + field(3, computation)
    metadata = field(2, field(2, b"jit_f(34)") + field(5, field(6, field(1, module))))
    other = field(1, field(2, b"/host:CPU") + field(4, metadata))
    assert read_programs(other, "jit_f") == {}
    trace = field(1, field(2, b"/host:metadata") + field(4, metadata))
    assert read_programs(trace, "jit") == {}
    ((number, program),) = read_programs(trace, "jit_f").items()
    assert number == 34
    assert program["a.1"] == (kind.decode(), EXCHANGE, "dot_general", True)
    assert program["b.2"] == ("dot", "head", "dot_general", True)
