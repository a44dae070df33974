"""Costs read from compiled programs, against XLA's own where there are no loops, and formulas."""

import itertools
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from launch.tpu_dryrun import cost, hlo
from launch.tpu_dryrun.cost import Collective, valid_pairs


def compiled(function, *shapes):
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.jit(function).lower(*arrays).compile()


def cost_of(program):
    return cost.cost(hlo.parse(program.as_text()), 1)


def test_a_matmul_is_what_xla_says():
    program = compiled(lambda a, b: jnp.einsum("tbd,dh->tbh", a, b), (7, 3, 5), (5, 11))
    assert cost_of(program).flops == 2 * 7 * 3 * 5 * 11 == program.cost_analysis()["flops"]


@pytest.mark.parametrize(
    ("strides", "padding", "dilation", "data_dilation", "groups"),
    [
        ((1, 1), "VALID", (1, 1), (1, 1), 1),
        ((1, 1), "SAME", (1, 1), (1, 1), 1),
        ((2, 3), ((0, 2), (1, 1)), (2, 1), (1, 1), 1),
        ((1, 1), ((2, 2), (2, 1)), (1, 2), (2, 3), 1),
        ((1, 1), "SAME", (1, 1), (1, 1), 2),
    ],
)
def test_a_convolution_is_what_xla_says(strides, padding, dilation, data_dilation, groups):
    def convolve(x, kernel):
        return lax.conv_general_dilated(
            x, kernel, strides, padding, data_dilation, dilation,
            ("NHWC", "HWIO", "NHWC"), feature_group_count=groups,
        )  # fmt: skip

    program = compiled(convolve, (2, 9, 8, 4), (3, 2, 4 // groups, 6))
    if " convolution(" not in program.as_text():
        pytest.skip("this XLA writes the convolution as something else")
    assert cost_of(program).flops == program.cost_analysis()["flops"]


def test_pairs_are_those_that_meet_the_input():
    grid = itertools.product((1, 4), (1, 3), (1, 5), (1, 2), (0, 2), (1, 2), (1, 3))
    for data, kernel, result, stride, pad, data_dilation, kernel_dilation in grid:
        line = np.zeros(pad + (data - 1) * data_dilation + 1 + 100)
        line[pad : pad + (data - 1) * data_dilation + 1 : data_dilation] = 1
        met = sum(
            line[o * stride + k * kernel_dilation] for o in range(result) for k in range(kernel)
        )
        assert met == valid_pairs(
            data, kernel, result, stride=stride, pad=pad,
            data_dilation=data_dilation, kernel_dilation=kernel_dilation,
        )  # fmt: skip


def test_what_is_in_a_loop_counts_as_often_as_it_runs():
    def outer(w, x):
        def inner(x, _):
            return lax.scan(lambda x, _: (jnp.tanh(x @ w), None), x, None, length=5)[0], None

        return lax.scan(inner, x, None, length=3)[0] @ w

    program = compiled(outer, (8, 8), (4, 8))
    found = cost_of(program)
    assert found.flops == (3 * 5 + 1) * 2 * 4 * 8 * 8
    assert found.unknown_loops == 0


def test_a_loop_without_an_end_in_sight_is_told():
    def search(w, x):
        return lax.while_loop(lambda x: x.sum() < 1e6, lambda x: x @ w, x)

    found = cost_of(compiled(search, (8, 8), (8, 8)))
    assert found.unknown_loops == 1
    assert found.flops == 2 * 8**3


def test_a_recurrent_layer_does_the_work_of_its_formula():
    import rnnjax

    cell = rnnjax.lstm(16)
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 8))
    xs = jax.ShapeDtypeStruct((20, 4, 8), jnp.float32)
    layer = jax.jit(lambda params, xs: rnnjax.unroll(cell, params, xs, engine="scan")[1])
    found = cost_of(layer.lower(params, xs).compile())
    assert found.flops == 2 * 20 * 4 * (8 + 16) * 4 * 16


# On a TPU loops carry no trip count, memory spaces stand in the layouts, and work is in fusions.
PROGRAM = """\
HloModule jit_step, is_scheduled=true, num_partitions=4

%sum (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %add = f32[] add(%a, %b)
}

%fused (p0: f32[100,8,16], p1: s32[], p2: f32[16,16]) -> f32[8,16] {
  %p0 = f32[100,8,16]{2,1,0:T(8,128)} parameter(0)
  %p1 = s32[]{:T(128)} parameter(1)
  %zero = s32[] constant(0)
  %slice = f32[1,8,16]{2,1,0} dynamic-slice(%p0, %p1, %zero, %zero), dynamic_slice_sizes={1,8,16}
  %x = f32[8,16]{1,0} bitcast(%slice)
  %p2 = f32[16,16]{1,0:T(8,128)} parameter(2)
  ROOT %dot = f32[8,16]{1,0:T(8,128)S(1)} convolution(%x, %p2), dim_labels=bf_io->bf
}

%writing (q0: f32[100,8,16], q1: f32[8,16], q2: s32[]) -> f32[100,8,16] {
  %q0 = f32[100,8,16]{2,1,0} parameter(0)
  %q1 = f32[8,16]{1,0} parameter(1)
  %row = f32[1,8,16]{2,1,0} bitcast(%q1)
  %q2 = s32[] parameter(2)
  %nought = s32[] constant(0)
  ROOT %put = f32[100,8,16]{2,1,0} dynamic-update-slice(%q0, %row, %q2, %nought, %nought)
}

%condition (c: (s32[], f32[100,8,16], f32[16,16])) -> pred[] {
  %c = (s32[]{:T(128)}, f32[100,8,16]{2,1,0}, /*index=2*/f32[16,16]{1,0}) parameter(0)
  %i = s32[] get-tuple-element(%c), index=0
  %n = s32[] constant(100)
  ROOT %lt = pred[] compare(%i, %n), direction=LT
}

%body (s: (s32[], f32[100,8,16], f32[16,16])) -> (s32[], f32[100,8,16], f32[16,16]) {
  %s = (s32[]{:T(128)}, f32[100,8,16]{2,1,0}, f32[16,16]{1,0}) parameter(0)
  %j = s32[] get-tuple-element(%s), index=0
  %xs = f32[100,8,16]{2,1,0} get-tuple-element(%s), index=1
  %w = f32[16,16]{1,0} get-tuple-element(%s), index=2
  %y = f32[8,16]{1,0:T(8,128)S(1)} fusion(%xs, %j, %w), kind=kOutput, calls=%fused
  %ys = f32[100,8,16]{2,1,0} fusion(%xs, %y, %j), kind=kLoop, calls=%writing
  %one = s32[] constant(1)
  %next = s32[] add(%j, %one)
  ROOT %t = (s32[], f32[100,8,16]{2,1,0}, f32[16,16]{1,0}) tuple(%next, %ys, %w)
}

ENTRY %main (xs0: f32[100,8,16], w0: f32[16,16]) -> f32[16,16] {
  %xs0 = f32[100,8,16]{2,1,0} parameter(0)
  %w0 = f32[16,16]{1,0} parameter(1)
  %start = s32[] constant(10)
  %begin = s32[] copy(%start)
  %tuple = (s32[], f32[100,8,16]{2,1,0}, f32[16,16]{1,0}) tuple(%begin, %xs0, %w0)
  %loop = (s32[], f32[100,8,16]{2,1,0}, f32[16,16]{1,0}) while(%tuple), condition=%condition, body=%body
  %w1 = f32[16,16]{1,0} get-tuple-element(%loop), index=2
  %all = f32[64,16]{1,0} all-gather-start(%w1), replica_groups=[1,4]<=[4], dimensions={0}
  %gathered = f32[64,16]{1,0} all-gather-done(%all)
  ROOT %r = f32[16,16]{1,0} all-reduce(%w1), replica_groups={{0,1},{2,3}}, to_apply=%sum
}
"""  # noqa: E501


def test_an_instruction_that_cannot_be_read_is_told():
    with pytest.raises(ValueError, match="not an instruction of HLO:   %zero"):
        hlo.parse(PROGRAM.replace("%zero = s32[] constant(0)", "%zero = s32[] constant(0"))


def test_a_program_for_a_tpu():
    found = cost.cost(hlo.parse(PROGRAM), 4)
    assert found.unknown_loops == 0
    assert found.flops == 90 * 2 * 8 * 16 * 16
    assert found.collectives == Counter(
        {Collective("all-gather", 4 * 1024, 4): 1, Collective("all-reduce", 1024, 2): 1}
    )
    row, matrix, scalar = 8 * 16 * 4, 16 * 16 * 4, 4
    a_step = (row + scalar + matrix) + (row + scalar) + 3 * scalar
    assert found.num_bytes == 90 * a_step + 2 * scalar + (matrix + 4 * matrix) + 2 * matrix


IN_PLACE = """\
ENTRY %main (all: f32[100,8,16], row: f32[1,8,16], n: s32[]) -> pred[1,8,16] {
  %all = f32[100,8,16]{2,1,0} parameter(0)
  %row = f32[1,8,16]{2,1,0} parameter(1)
  %n = s32[] parameter(2)
  %put = f32[100,8,16]{2,1,0} dynamic-update-slice(%all, %row, %n, %n, %n)
  %got = f32[1,8,16]{2,1,0} dynamic-slice(%put, %n, %n, %n), dynamic_slice_sizes={1,8,16}
  ROOT %less = pred[1,8,16]{2,1,0} compare(%got, %row), direction=LT
}
"""


def test_an_update_in_place_moves_the_update_alone_and_a_bool_is_a_byte():
    row, bools = 8 * 16 * 4, 8 * 16
    put = got = row + row  # read here and written there
    assert cost.cost(hlo.parse(IN_PLACE), 1).num_bytes == put + got + (row + row + bools)


def test_what_must_be_sent():
    """By what each chip lacks at the beginning and has at the end."""
    assert Collective("all-gather", 400, 4).sent == 300
    assert Collective("reduce-scatter", 400, 4).sent == 300
    assert Collective("all-reduce", 400, 4).sent == 600
    assert Collective("collective-permute", 400, 4).sent == 400
    assert Collective("all-reduce", 400, 1).sent == 0
