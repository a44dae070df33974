import random

import pytest
from jax.profiler import ProfileData

from rnnjax.training import Section
from rnnjax.training.profiling import operations as module
from rnnjax.training.profiling.operations import (
    Operation,
    Profile,
    measure,
    profile_section,
    profile_text,
    read_profile,
    write_profile,
)
from rnnjax.training.profiling.programs import Instruction

PROGRAM = {
    "while.1": Instruction("while", "scan", "while", False),
    "dot.2": Instruction("dot", "scan", "dot_general", False),
    "all-reduce.3": Instruction("all-reduce", "exchange", "psum", True),
}

OTHER = {"dot.2": Instruction("dot", "head", "dot_general", True)}


def measured(tmp_path, monkeypatch, text, first=1, last=1):
    monkeypatch.setattr(module, "read_programs", lambda trace, name: {7: PROGRAM, 2**64 - 8: OTHER})
    path = tmp_path / "host.xplane.pb"
    path.write_bytes(ProfileData.text_proto_to_serialized_xspace(text))
    return measure(path, "jit_train_step", first, last)


def event(metadata, start, duration, *stats):
    return f"""events {{ metadata_id: {metadata} offset_ps: {1000 * start}
      duration_ps: {1000 * duration} {" ".join(stats)} }}"""


def plane(name, operations, stats, lines):
    """A plane of a trace, as text; its operations and stats by name."""
    names = [
        f'{kind}_metadata {{ key: {n} value {{ id: {n} name: "{one}" }} }}'
        for kind, called in (("event", operations), ("stat", stats))
        for n, one in enumerate(called, start=1)
    ]
    return f'planes {{ name: "{name}" {" ".join(names)} {lines} }}'


def stat(metadata, value):
    kind, text = ("str", f'"{value}"') if isinstance(value, str) else ("int64", value)
    return f"stats {{ metadata_id: {metadata} {kind}_value: {text} }}"


def host(lines):
    operations = ["while.1", "dot.2", "all-reduce.3", "end: dot.2"]
    stats = ["hlo_op", "hlo_module", "device_ordinal", "program_id"]
    return plane("/host:CPU", operations, stats, lines)


def host_event(metadata, name, start, duration, device=0, program="jit_train_step", program_id=7):
    told = enumerate((name, program, device, program_id), start=1)
    return event(metadata, start, duration, *(stat(n, value) for n, value in told))


def test_times_are_means_over_steps_and_devices(tmp_path, monkeypatch):
    """Two devices in two threads, two steps; each number is counted by hand."""
    threads = [
        [
            host_event(1, "while.1", 0, 100, 0),
            host_event(2, "dot.2", 10, 30, 0),
            event(4, 40, 1),
            host_event(2, "dot.2", 50, 40, 0),
            host_event(3, "all-reduce.3", 120, 400, 0),
            host_event(2, "dot.2", 600, 99, 0, program="jit_eval_step"),
        ],
        [
            host_event(1, "while.1", 5, 300, 1),
            host_event(2, "dot.2", 10, 50, 1),
            host_event(3, "all-reduce.3", 500, 20, 1),
        ],
    ]
    lines = " ".join(
        f'lines {{ id: {n} name: "t{n}" timestamp_ns: 1000 {" ".join(thread)} }}'
        for n, thread in enumerate(threads)
    )
    profile = measured(tmp_path, monkeypatch, host(lines), first=4, last=5)
    assert (profile.first, profile.last, profile.devices) == (4, 5, 2)
    assert profile.seconds == pytest.approx(520e-9 / 2)
    found = {one.name: one for one in profile.operations}
    assert [one.name for one in profile.operations] == ["all-reduce.3", "while.1", "dot.2"]
    assert found["all-reduce.3"].seconds == pytest.approx(420e-9 / 4)
    assert found["while.1"].seconds == pytest.approx((30 + 250) * 1e-9 / 4)
    assert found["dot.2"].seconds == pytest.approx((30 + 40 + 50) * 1e-9 / 4)
    assert found["dot.2"].runs == 3 / 4
    assert found["all-reduce.3"].shortest == pytest.approx(20e-9)
    assert found["all-reduce.3"][1:5] == PROGRAM["all-reduce.3"]


def test_programs_of_one_name_are_told_apart(tmp_path, monkeypatch):
    """As of a step that was compiled for two shapes; the third is a program that has ended."""
    events = (
        host_event(2, "dot.2", 0, 30),
        host_event(2, "dot.2", 40, 50, program_id=-8),
        host_event(2, "dot.2", 90, 10, program_id=11),
    )
    profile = measured(tmp_path, monkeypatch, host(f"lines {{ id: 1 {' '.join(events)} }}"))
    assert [(one.name, one.scope, one.runs) for one in profile.operations] == [
        ("dot.2", "head", 1),
        ("dot.2", "scan", 1),
    ]
    assert [one.seconds for one in profile.operations] == pytest.approx([50e-9, 30e-9])


def test_the_line_of_an_accelerator_names_its_operations_itself(tmp_path, monkeypatch):
    operations = ["%dot.2 = f32[8]{0} dot(a, b)", "jit_train_step(8)"]
    lines = f"""lines {{ id: 1 name: "XLA Ops" {event(1, 0, 70)} }}
      lines {{ id: 2 name: "XLA Modules" {event(2, 0, 90)} }}"""
    text = plane("/device:TPU:0", operations, [], lines)
    profile = measured(tmp_path, monkeypatch, text)
    (one,) = profile.operations
    assert (one.name, one.runs) == ("dot.2", 1)
    assert one.seconds == pytest.approx(70e-9)


def test_a_trace_without_the_program_tells_nothing(tmp_path, monkeypatch):
    other = f"lines {{ id: 1 {host_event(2, 'dot.2', 0, 9, program='jit_eval_step')} }}"
    assert measured(tmp_path, monkeypatch, host(other)) is None


def gpu(kernels):
    names = ["all_reduce_3", "memcpy32_post", "dot_2"]
    stats = ["hlo_op", "program_id", "cuda_graph_id", "name"]
    line = f'lines {{ id: 1 name: "Stream #14(Compute)" timestamp_ns: 1000 {kernels} }}'
    return plane("/device:GPU:0", names, stats, line)


def kernel(metadata, start, duration, operation=None, graph=True):
    stats = [stat(1, "command_buffer_1"), stat(2, 7)]
    if graph:
        stats.append(stat(3, 6))
    if operation:
        stats.append(stat(4, f"jit(train_step)/{operation}/while"))
    return event(metadata, start, duration, *stats)


def test_a_kernel_of_a_cuda_graph_is_found_by_its_own_name(tmp_path, monkeypatch):
    """Of a graph the trace names none of the operations, but its kernels are called like them."""
    kernels = (
        kernel(1, 0, 10),
        kernel(2, 10, 20, "transpose(jvp(scan))"),
        kernel(2, 30, 5),
        kernel(3, 40, 30, "jvp(loss)"),
        kernel(3, 65, 10, "jvp(loss)"),
        kernel(1, 90, 99, graph=False),
    )
    profile = measured(tmp_path, monkeypatch, gpu(" ".join(kernels)))
    found = {(one.name, one.scope): one for one in profile.operations}
    assert {key: round(1e9 * one.seconds) for key, one in found.items()} == {
        ("all-reduce.3", "exchange"): 10,
        ("memcpy32_post", "scan"): 20,
        ("memcpy32_post", ""): 5,
        ("dot.2", "loss"): 35,
    }
    assert found["all-reduce.3", "exchange"][1:5] == PROGRAM["all-reduce.3"]
    assert found["memcpy32_post", "scan"][1:5] == ("kernel", "scan", "", True)
    assert found["dot.2", "loss"][1:5] == ("dot", "loss", "dot_general", False)


def test_own_times_are_what_the_operation_that_started_last_covers():
    """Against counting every nanosecond."""
    draw = random.Random(0)
    intervals = []

    def nest(start, end, depth):
        at = start
        while at < end:
            stop = draw.randint(at + 1, end)
            if draw.random() < 0.7:
                intervals.append((at, stop + draw.choice((0, 0, 5))))
                if depth and stop - at > 2:
                    nest(at + draw.randint(0, 1), stop, depth - 1)
            at = stop

    nest(0, 900, 4)
    intervals.sort(key=lambda interval: (interval[0], -interval[1]))
    events = [
        module._Event(0, str(n), None, ("cpu", 0), start, end)
        for n, (start, end) in enumerate(intervals)
    ]
    expected = dict.fromkeys(range(len(intervals)), 0)
    for nanosecond in range(910):
        inside = [n for n, (a, b) in enumerate(intervals) if a <= nanosecond < b]
        if inside:
            expected[max(inside)] += 1
    assert len(intervals) > 30
    assert any(a < c < b < d for a, b in intervals for c, d in intervals)
    draw.shuffle(events)
    found = {int(event.name): own for event, own in module._own_times(events)}
    for same in set(intervals):  # which of two equal ones is the inner one cannot be told
        twins = [n for n, interval in enumerate(intervals) if interval == same]
        assert sum(found[n] for n in twins) == sum(expected[n] for n in twins)


def operation(name, scope, seconds, **fields):
    given = {"kind": "fusion", "source": "tanh", "backward": False, "runs": 2.0, "shortest": 1e-6}
    return Operation(**given | {"name": name, "scope": scope, "seconds": seconds} | fields)


SAMPLE = Profile(
    100,
    110,
    2,
    0.050,
    (
        operation("<fusion>", "scan", 0.030, backward=True),
        operation("dot.7", "head", 0.006, source="", kind="dot"),
        operation("copy.1", "", 0.003),
        operation("dot.9", "scan", 0.001),
    ),
)


def test_the_table_tells_shares_by_scope_and_by_operation():
    lines = [line.split() for line in profile_text(SAMPLE).splitlines()]
    assert profile_text(SAMPLE).startswith(
        "Steps 100 to 110: 50.00 ms a step, 40.00 ms of it in operations of each of 2 devices."
    )
    assert ["scan", "31.000", "77.5%"] in lines
    assert ["other", "3.000", "7.5%"] in lines
    assert ["<fusion>", "30.000", "75.0%", "2", "scan", "tanh", "(backward)"] in lines
    assert ["dot.7", "6.000", "15.0%", "2", "head", "dot"] in lines


def test_the_report_escapes_names():
    section = profile_section(SAMPLE)
    assert isinstance(section, Section)
    assert "&lt;fusion&gt;" in section.html
    assert "<fusion>" not in section.html
    assert '<td class="number">75.0%</td>' in section.html


def test_a_profile_is_read_as_it_was_written(tmp_path):
    assert read_profile(tmp_path) is None
    write_profile(tmp_path, SAMPLE)
    assert read_profile(tmp_path) == SAMPLE
