import contextlib
import warnings

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from jax.profiler import ProfileData

from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.training.profiling import tracing
from rnnjax.training.profiling.operations import read_profile
from rnnjax.training.profiling.tracing import TracedSteps, parse_steps, traced
from tests.training import toy

SIZE, LENGTH = 384, 9


def evaluate(params):
    return {"loss": float(jnp.linalg.norm(params["w_x"]))}


def run(path, num_steps, profile, **options):
    """With a step of its own: a trace may lack a program that was compiled before other traces."""
    step, state = toy.setup(learning_rate=0.02)
    given = {"step": step, "state": state, "log_every": 4, "evaluate": evaluate, **options}
    return toy.train(path, num_steps, profile=profile, **given)


def steps_in(path):
    (trace,) = path.glob("profile/plugins/profile/*/*.xplane.pb")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "builtin type .* has no __module__", DeprecationWarning)
        return [
            dict(event.stats)["step_num"]
            for plane in ProfileData.from_file(str(trace)).planes
            for line in plane.lines
            for event in line.events
            if event.name == "train"
        ]


@jax.jit
def train_step(state, batch):
    """A loop of small steps, and one matmul that is much larger."""
    with jax.named_scope("scan"):
        state, _ = jax.lax.scan(lambda h, x: (jnp.tanh(h + x), None), state, batch)
    with jax.named_scope("head"):
        large = jnp.outer(state, state)
        state = (large @ large @ large @ large).sum(0) * 1e-6
    return state, state.sum()


def test_counts_and_shares_are_those_of_the_step(tmp_path, capsys):
    state, batch = jnp.ones(SIZE), jnp.ones((LENGTH, SIZE))
    with traced(train_step, TracedSteps(3, 5), tmp_path, 0) as step:
        for _ in range(6):
            state, _ = step(state, batch)
    assert steps_in(tmp_path) == [3, 4, 5]
    profile = read_profile(tmp_path / "profile")
    assert (profile.first, profile.last, profile.devices) == (3, 5, 1)
    inside = [one for one in profile.operations if one.source == "tanh"]
    assert [one.runs for one in inside] == [LENGTH]
    assert inside[0].scope == "scan"
    head = sum(one.seconds for one in profile.operations if one.scope == "head")
    assert head > 0.8 * profile.busy
    assert 0 < profile.busy <= profile.seconds
    said = capsys.readouterr().err
    assert "Steps 3 to 5:" in said
    assert said.count("Steps 3 to 5") == 1
    assert str(tmp_path / "profile") in said


def test_a_step_of_two_shapes_is_two_programs(tmp_path):
    """The longer batch takes turns with the shorter one, as buckets of lengths do."""
    state = jnp.ones(SIZE)
    with traced(train_step, TracedSteps(3, 6), tmp_path, 0) as step:
        for length in (4, 6, 4, 6, 4, 4):
            state, _ = step(state, jnp.ones((length, SIZE)))
    operations = read_profile(tmp_path / "profile").operations
    assert sorted(one.runs for one in operations if one.source == "tanh") == [6 / 4, 3 * 4 / 4]


def test_a_step_that_is_in_the_cache_on_the_disk_is_told_too(tmp_path):
    options = {"compilation_cache_dir": str(tmp_path / "cache")}
    options["persistent_cache_min_compile_time_secs"] = 0
    before = {name: getattr(jax.config, f"jax_{name}") for name in options}
    for name, value in options.items():
        jax.config.update(f"jax_{name}", value)
    reset_cache()
    try:
        for steps in (None, TracedSteps(2, 3)):
            jax.clear_caches()
            state, anew = jnp.ones(SIZE), jax.jit(train_step.__wrapped__)
            with traced(anew, steps, tmp_path, 0) as step:
                for _ in range(3):
                    state, _ = step(state, jnp.ones((2, SIZE)))
        assert list((tmp_path / "cache").glob("jit_train_step-*"))
    finally:
        for name, value in before.items():
            jax.config.update(f"jax_{name}", value)
        reset_cache()
    assert read_profile(tmp_path / "profile").operations


def test_tracing_changes_no_number_and_ends_up_in_the_report(tmp_path):
    profiled = run(tmp_path / "a", 12, TracedSteps(5, 8), eval_every=7)
    plain = run(tmp_path / "b", 12, None, eval_every=7)
    toy.assert_same(profiled.state, plain.state)
    assert steps_in(tmp_path / "a") == [5, 6, 7, 8]
    assert not (tmp_path / "b" / "profile").exists()
    for name, told in (("a", True), ("b", False)):
        page = training.write_report(tmp_path / name, title="t", config={}, results={}).read_text()
        assert ("Top operations" in page) == told
        assert ("Steps 5 to 8" in page) == told


def test_without_steps_to_trace_the_step_is_left_alone(tmp_path, monkeypatch):
    with traced(train_step, None, tmp_path, 0) as step:
        assert step is train_step
    monkeypatch.setattr(tracing, "is_first", lambda: False)
    with traced(train_step, TracedSteps(1, 2), tmp_path, 0) as step:
        assert step is train_step
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_goes_on_later_traces_what_is_left(tmp_path, capsys):
    run(tmp_path, 6, None)
    run(tmp_path, 9, TracedSteps(5, 8))
    assert steps_in(tmp_path) == [7, 8]
    capsys.readouterr()
    run(tmp_path, 12, TracedSteps(5, 9))
    said = capsys.readouterr().err
    assert "--profile=5:9: nothing is traced, for this run goes on from step 9." in said
    assert read_profile(tmp_path / "profile").last == 8


@pytest.mark.parametrize("steps", [TracedSteps(3, 10), TracedSteps(8, 10)])
def test_a_run_that_ends_before_says_so_and_stops_tracing(tmp_path, capsys, steps):
    run(tmp_path / "a", 12, steps, batches=toy.Batches(limit=5))
    assert f"{steps}: there is no table, for the run ended after step 5." in capsys.readouterr().err
    assert read_profile(tmp_path / "a" / "profile") is None
    run(tmp_path / "b", 4, TracedSteps(2, 3))
    assert steps_in(tmp_path / "b") == [2, 3]


def test_a_trace_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    @contextlib.contextmanager
    def on_a_full_disk(folder, profiler_options):
        half = folder / "plugins/profile" / profiler_options.session_id
        half.mkdir(parents=True)
        yield
        (half / "vm.xplane.pb").write_text("half")
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: x; No space left on device")

    monkeypatch.setattr(jax.profiler, "trace", on_a_full_disk)
    with pytest.raises(UserError, match=r"Cannot write .*steps_2_3: .*No space left on device"):
        run(tmp_path, 4, TracedSteps(2, 3))
    assert not [path for path in (tmp_path / "profile").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("abc", "--profile is written FIRST:LAST, such as 100:110; got 'abc'"),
        ("100", "written FIRST:LAST"),
        ("5:-1", "written FIRST:LAST"),
        ("1:2:3", "written FIRST:LAST"),
        ("110:100", "--profile=110:100 ends before it begins: write --profile=100:110"),
        ("0:5", "--profile=0:5: the steps of this run are 1 to 120"),
        ("100:121", "--profile=100:121: the steps of this run are 1 to 120"),
    ],
)
def test_bad_ranges_are_told(text, told):
    with pytest.raises(UserError) as error:
        parse_steps(text, 120)
    assert told in str(error.value)


def test_a_range_of_one_step_and_of_all():
    assert parse_steps("120:120", 120) == TracedSteps(120, 120)
    assert parse_steps("1:120", 120) == TracedSteps(1, 120)
