"""The benchmark's arithmetic, on contenders whose times are known."""

import json
import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import cli
from experiments.benchmark import __main__ as benchmark
from experiments.benchmark import peers, report, suites, tagging
from experiments.benchmark.peers import BASELINE, Calls
from rnnjax.engines.registry import listening


@pytest.fixture
def taking(monkeypatch):
    """Makes calls that take so many seconds by the clock of the suites."""
    now = [0.0]
    monkeypatch.setattr(suites, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))

    def call(seconds):
        now[0] += seconds

    return lambda seconds: lambda: call(seconds)


def test_a_ratio_above_one_is_faster_than_the_baseline(taking):
    def layer(seconds):
        return lambda case: Calls(taking(seconds), taking(2 * seconds))

    def missing(case):
        raise ImportError("no module named peer")

    contenders = {BASELINE: layer(0.03), "rnnjax": layer(0.01), "peer": missing}
    rows = suites.layers(["lstm", "rnn"], [(1, 1, 1, 1)], contenders, repeats=3)
    assert rows == [
        {"what": what, "size": [1, 1, 1, 1], "rnnjax": pytest.approx(3)}
        for what in ("lstm train", "lstm forward", "rnn train", "rnn forward")
    ]


@pytest.mark.parametrize("name", ["persistent", "persistent bfloat16"])
def test_the_kernels_for_a_gpu_are_asked_for_by_name(name):
    with listening() as reasons:
        peers.PERSISTENT[name](peers.Case("gru", 2, 1, 1, 16)).forward()
    assert len(reasons) == 1
    assert "engine persistent" in reasons[0]


def test_the_plain_scan_is_the_same_cell():
    case = peers.Case("gru_cho", 3, 2, 4, 5)
    ours, plain = (make(case).forward() for make in peers.CELLS_ALONE.values())
    np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-6)


def test_a_duel_tells_how_many_times_as_fast_rnnjax_is_and_its_first_call_apart(taking):
    def contender(first, later):
        return lambda: suites.Contender(taking(first), taking(later))

    def missing():
        raise ImportError("no module named torch")

    contenders = {BASELINE: contender(1, 3), "rnnjax": contender(2, 1), "torch": missing}
    row = suites.duel(contenders, 3, updates=10)
    assert row == {BASELINE: pytest.approx(3), "first call": pytest.approx(2)}


@pytest.mark.parametrize("make", [peers.nnx_layer, peers.rnnjax_layer])
def test_what_is_compiled_is_a_training_step(make):
    case = peers.Case("gru", 3, 2, 4, 5)
    layer = make(case)
    head = jnp.zeros((case.H, peers.VOCABULARY))
    params = jnp.ones((peers.VOCABULARY, case.D)), layer.params, head
    lowered, state = peers.training_step(case, layer), peers.OPTIMIZER.init(params)
    params, _, loss = lowered.compile()(params, state, jnp.ones((case.T + 1, case.B), int))
    assert loss == pytest.approx(math.log(peers.VOCABULARY), rel=1e-6)  # a head of zeros
    assert np.asarray(params[2])[:, 1].any()  # it has learned something of the only symbol there is


@pytest.mark.parametrize(
    "case", [peers.Case("lstm", 5, 3, 4, 2), peers.Case("gru", 4, 1, 600, 300)]
)
def test_the_matmuls_alone_have_a_gradient(case):
    """Of a loop in Python, by JAX."""

    def loss(params, xs, apply):
        return (apply(params, xs) ** 2).sum()

    def plain(params, xs):
        w, u = params
        hs = [jnp.zeros((case.B, case.H))]
        for x_t in xs:
            z = x_t @ w + hs[-1] @ u
            hs.append(sum(jnp.split(z, z.shape[1] // case.H, axis=1)))
        return jnp.stack(hs[1:])

    layer = peers.matmuls_alone(case)
    args = layer.params, layer.xs
    ours, theirs = (jax.grad(loss, (0, 1))(*args, apply) for apply in (layer.apply, plain))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5), ours, theirs)


def test_the_spread_of_ratios_follows_them_and_their_mean_is_geometric():
    rows = [{"what": "a", "size": [n], "peer": 2.0**n} for n in (3, -1, 0, 1, 2)]
    spread = {row["size"][0]: row["peer"] for row in report.with_spread(rows)[5:]}
    assert spread == {"least": 0.5, "first quartile": 1, "median": 2, "third quartile": 4,
                      "geometric mean": pytest.approx(2)}  # fmt: skip


def test_results_are_saved_as_json_and_as_a_plot(tmp_path):
    rows = [{"what": "a", "size": [1, 2], "x": 2.0}, {"what": "b", "size": [3, 4], "y": 1.5}]
    report.save(rows, "layers", "times as fast", tmp_path)
    assert json.loads((tmp_path / "layers.json").read_text()) == rows
    assert (tmp_path / "layers.png").read_bytes().startswith(b"\x89PNG")
    assert report.table(rows).splitlines()[2].split() == ["b", "3,4", "1.50"]


def test_contenders_stand_side_by_side():
    rows = [
        {"what": "a", "size": [1], "x": 2.0, "y": 3.0},
        {"what": "a", "size": [2], "x": 4.0},
        {"what": "b", "size": [1], "x": 5.0, "y": 6.0},
    ]
    figure = report.draw(rows, contest=True)
    bars = [
        [(round(bar.get_center()[0]), bar.get_height()) for bar in panel.patches]
        for panel in figure.axes
    ]
    assert bars == [[(0, 2.0), (1, 4.0), (0, 3.0), (1, 0.0)], [(0, 5.0), (0, 6.0)]]
    assert [panel.get_title("left") for panel in figure.axes] == ["a", "b"]


def test_a_tagger_is_measured_on_the_sentences_it_was_given(tmp_path, monkeypatch):
    column_file = "Ada B-PER\nleft O\nLund B-LOC\n\nYale B-ORG\ngrew O\n\nThey O\nleft O\n"
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.conll").write_text(column_file)
    seconds = {"train": 2.0, "all": 4.0}
    seconds |= {"step": 10.0, "gradient": 1.0, "decode": 5.0, "viterbi": 2.0}

    def known_times(calls, repeats):
        for call in calls.values():
            call()
        return {name: seconds[name] for name in calls}

    monkeypatch.setattr(tagging, "interleaved", known_times)
    sizes = {"cell": "rnn", "hidden_size": 4, "batch_size": 2, "num_buckets": 1}
    monkeypatch.setattr(tagging, "SETTINGS", tagging.SETTINGS | sizes)
    monkeypatch.setattr(tagging, "SHAPE", (4, 2, 9))
    monkeypatch.setattr(tagging, "NUM_SENTENCES", 10)
    assert tagging.suite(1, str(tmp_path)) == [
        {"what": "training", "size": [3, 2, 13], "tokens/s": 3.5, "padding share": 1 - 7 / 12},
        {"what": "step", "size": [4, 2, 9], "CRF share": 0.1},
        {"what": "decode", "size": [4, 2, 9], "CRF share": 0.4},
        {"what": "sentences", "size": [3, 2, 13], "sentences/s": 2.5},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--suite=tagging", "--data=/nowhere"], "error: /nowhere does not exist"),
        (["--suite=layer"], "error: --suite=layer: "),
        (["--repeats=0"], "error: --repeats=0: "),
        (["--suite=persistent"], "error: --suite=persistent measures kernels for a GPU; JAX runs"),
        (["layers"], "error: unexpected argument 'layers': flags are written --name=value"),
    ],
)
def test_a_bad_flag_is_one_line_and_code_2(argv, told, capsys):
    """`test_listing` starts the command itself."""

    @cli.plain_errors()
    def command():
        cli.parse_flags(benchmark.flags.FLAGS, ["benchmark", *argv])
        benchmark.main(None)

    with pytest.raises(SystemExit) as ended:
        command()
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert err.startswith(told)
    assert err.count("\n") == 1
    assert out == ""
