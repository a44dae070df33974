import json
import re
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.training import atomic_files, loop
from rnnjax.training.reporting.meter import Meter
from tests.training import toy
from tests.training.toy import assert_same, rows, steps_saved


def test_loop_equals_the_bare_steps(tmp_path):
    result = toy.run(tmp_path, 10)
    step, state = toy.setup()
    losses, norms = [], []
    for _, batch in zip(range(10), toy.Batches(), strict=False):
        state, metrics = step(state, batch)
        losses.append(float(metrics["sums"]["loss"][0] / metrics["sums"]["loss"][1]))
        norms.append(float(metrics["grad_norm"]))
    assert_same(result.state, state)
    # Rows end at every fourth step, and where the loop pauses (5, 6, 10).
    seen = rows(tmp_path, "train")
    ends = [row["step"] for row in seen]
    assert ends == [4, 5, 6, 8, 10]
    for row, first, last in zip(seen, [0, *ends], ends, strict=False):
        assert row["loss"] == pytest.approx(np.mean(losses[first:last]), rel=1e-6)
        assert row["grad_norm"] == pytest.approx(np.mean(norms[first:last]), rel=1e-6)
        assert row["clip_rate"] == np.mean(np.array(norms[first:last]) > 1.0)
    assert result.reason == "done"


def test_samples_of_evaluations_change_no_number_and_are_those_of_the_resumed_run(tmp_path):
    def run(name, num_steps, sample):
        return toy.run(tmp_path / name, num_steps, sample=sample, eval_every=3)

    def sampled():
        return [(row["step"], row["text"]) for row in rows(tmp_path / "with", "sample")]

    texts = iter("abc")
    run("with", 5, lambda params: next(texts))
    assert sampled() == [(3, "a"), (5, "b")]
    seen = []
    result = run("with", 10, lambda params: seen.append(params) or f"{len(seen)}")
    assert sampled() == [(3, "a"), (5, "b"), (6, "1"), (9, "2"), (10, "3")]
    assert_same(result.state, run("without", 10, None).state)
    assert_same(seen[-1], training.evaluation_params(result.state))


@pytest.mark.parametrize(("share", "saved"), [(0.0, []), (1e4, [5])])
def test_steps_wait_for_a_save_as_long_as_they_may(tmp_path, monkeypatch, share, saved):
    """A batch is read while the one before it is in use: batch 6 (from 0) after step 5."""
    there = {}
    seal = atomic_files.seal

    def seal_slowly(folder):
        time.sleep(0.3)
        seal(folder)

    class Watching(toy.Batches):
        def __next__(self):
            there[self.index] = steps_saved(tmp_path)
            return super().__next__()

    monkeypatch.setattr(loop, "SAVE_SHARE", share)
    monkeypatch.setattr(atomic_files, "seal", seal_slowly)
    toy.run(tmp_path, 9, batches=Watching(), eval_every=0)
    assert there[6] == saved
    assert steps_saved(tmp_path) == [5, 9]


def test_evaluation_uses_the_averaged_weights(tmp_path):
    result = toy.run(tmp_path, 6)
    assert result.best_so_far.evaluation == toy.evaluate(result.state.ema)
    assert result.best_so_far.evaluation != toy.evaluate(result.state.params)
    logged = rows(tmp_path, "valid")[-1]
    assert logged["loss"] == result.best_so_far.evaluation["loss"]


def test_steps_are_never_waited_for(tmp_path, monkeypatch):
    """Fetches of arrays: only by intervals, and only of steps an interval ago."""
    dispatched, reads, fetched = [0], [0], []
    array_class = type(jnp.zeros(1))
    value, device_get = array_class._value, jax.device_get

    def counting_value(self):
        reads[0] += 1
        return value.fget(self)

    def watching_get(tree):
        before = reads[0]
        got = device_get(tree)
        fetched.append((dispatched[0], len(tree), reads[0] - before))
        return got

    step, state = toy.setup()

    def watched_step(*args):
        with jax.transfer_guard("disallow"):
            result = step(*args)
        dispatched[0] += 1
        if dispatched[0] == 1:
            monkeypatch.setattr(array_class, "_value", property(counting_value))
            monkeypatch.setattr(jax, "device_get", watching_get)
        if dispatched[0] == 58:
            assert sum(n for _, _, n in fetched) == reads[0]
            assert [(at, steps) for at, steps, _ in fetched] == [
                (20, 10),
                (30, 10),
                (40, 10),
                (50, 10),
            ]
            monkeypatch.undo()
        return result

    toy.train(tmp_path, 60, step=watched_step, state=state, log_every=10)
    assert dispatched[0] == 60
    assert [row["step"] for row in rows(tmp_path, "train")] == [10, 20, 30, 40, 50, 60]


def test_batches_are_sent_ahead_and_only_consumed_ones_count(tmp_path):
    step, state = toy.setup()
    batches, seen = toy.Batches(), []

    def watched_step(state, batch):
        seen.append(batches.index)
        assert all(isinstance(x, jax.Array) for x in batch.values())
        return step(state, batch)

    toy.train(tmp_path, 6, step=watched_step, state=state, batches=batches, checkpoint_every=2)
    assert seen == [2, 3, 4, 5, 6, 6]
    metas = [training.read_meta(tmp_path / f"checkpoints/step_{n:08d}") for n in (2, 4, 6)]
    assert [meta.position for meta in metas] == [{"index": 2}, {"index": 4}, {"index": 6}]


@pytest.mark.parametrize("bad_step", [1, 9, 12])
def test_nan_stops_at_its_step_and_is_never_saved(tmp_path, bad_step):
    with pytest.raises(training.TrainingDiverged) as error:
        toy.run(tmp_path, 40, batches=toy.Batches(nan_at=bad_step))
    message = str(error.value)
    assert f"diverged at step {bad_step}: the loss was nan" in message
    assert "lower learning rate" in message
    last_good = {1: None, 9: 6, 12: 10}[bad_step]
    if last_good is None:
        assert "No checkpoint was saved" in message
        assert steps_saved(tmp_path) == []
    else:
        assert str(tmp_path / "checkpoints" / f"step_{last_good:08d}") in message
        assert max(steps_saved(tmp_path)) == last_good
    assert all(np.isfinite(row["loss"]) for row in rows(tmp_path, "train"))


def test_update_that_overflows_is_never_saved(tmp_path):
    """The loss and gradient of the step are finite, the parameters it gives are not."""
    optimizer = optax.sgd(1e38)
    step = training.make_train_step(toy.loss_fn, optimizer)
    carry = np.zeros((toy.ROWS, toy.SIZE), np.float32)
    params = {name: 10 * array for name, array in toy.init_params().items()}
    state = training.create_state(params, optimizer, carry=carry)
    with pytest.raises(training.TrainingDiverged, match="step 1: the weights it gave"):
        toy.train(tmp_path, 3, step=step, state=state, checkpoint_every=1)
    assert steps_saved(tmp_path) == []


def run_with_scores(path, scores, num_steps=10, **options):
    """One evaluation a step, which gives these scores whatever the parameters are."""
    given = iter(scores)
    return toy.train(
        path,
        num_steps,
        eval_every=1,
        evaluate=lambda params: {"loss": 9.0, "score": next(given)},
        **options,
    )


def test_early_stopping_counts_evaluations_without_a_new_best(tmp_path, capsys):
    result = run_with_scores(tmp_path, [-5, -4, -6, -3, -3, -7, -8], metric="score", patience=3)
    assert (result.step, result.reason) == (7, "stopped early")
    assert (result.best_so_far.best_step, result.best_so_far.best_score) == (4, 3)
    assert steps_saved(tmp_path) == [2, 4, 7]
    assert training.find_checkpoint(tmp_path, "best").name == "step_00000004"
    # The same command again: nothing more to do, and no evaluation is asked for.
    again = run_with_scores(tmp_path, [], metric="score", patience=3)
    assert (again.step, again.reason, again.best_so_far) == (7, "stopped early", result.best_so_far)
    told = "Stopped early at step 7: the best of the last 4 evaluations is that at step 4"
    assert capsys.readouterr().err.count(told) == 2


def test_evaluation_must_give_the_metric(tmp_path):
    with pytest.raises(UserError, match="no metric 'scor': did you mean 'score'"):
        run_with_scores(tmp_path / "a", [1], metric="scor")
    with pytest.raises(training.TrainingDiverged, match="step 2: the evaluation gave score = nan"):
        run_with_scores(tmp_path / "b", [1, float("nan")], metric="score")


def test_data_that_ends_ends_the_run(tmp_path):
    result = toy.run(tmp_path, 20, batches=toy.Batches(limit=7))
    assert (result.step, result.reason) == (7, "the data ended")
    assert 7 in steps_saved(tmp_path)
    with pytest.raises(UserError, match="holds no batch"):
        toy.run(tmp_path / "empty", 20, batches=toy.Batches(limit=0))


def test_run_can_be_extended(tmp_path):
    toy.run(tmp_path / "a", 8)
    training.write_report(tmp_path / "a", title="t", config={}, results={"loss": 1})
    toy.run(tmp_path / "a", 8)
    assert training.read_results(tmp_path / "a") == {"loss": 1}
    assert_same(toy.run(tmp_path / "a", 13).state, toy.run(tmp_path / "b", 13).state)
    assert training.read_results(tmp_path / "a") is None


def test_speed_counts_finished_steps():
    """A step that is not ready yet is no progress."""

    class Pending:
        def __init__(self, ready):
            self.ready = ready

        def is_ready(self):
            return self.ready

    emitted = []
    meter = Meter(0, emitted.append)
    metrics = toy.metrics()
    for _ in range(4):
        meter.add(metrics)
    meter.close()
    meter._open = [{**metrics, "grad_norm": Pending(ready)} for ready in (True, False, False)]
    meter._mark = (meter._mark[0] - 10.0, 0)
    meter.close()
    assert emitted[0]["steps_per_second"] == pytest.approx(5 / 10, rel=0.02)
    assert emitted[0]["units_per_second"] == pytest.approx(7 * 5 / 10, rel=0.02)
    assert emitted[0]["loss"] == pytest.approx(2)
    assert json.dumps(emitted[0])


def test_the_speed_may_count_something_else_than_the_loss(tmp_path, capsys):
    toy.run(tmp_path, 4, unit="sentence", speed_unit="token")
    said = capsys.readouterr().err
    assert re.search(r"nats/sentence .*, [\d.]+[kM]? token/s", said)


def test_an_average_begins_when_the_validation_stagnates_and_is_resumed_bit_for_bit(
    tmp_path, capsys
):
    """Of the scores, the fourth is the first that is worse than one before the latest: step 8."""

    def run(path, num_steps, values):
        step, state = toy.setup(average="ntasgd")
        options = {"eval_every": 2, "average": "ntasgd", "average_patience": 1}
        options["evaluate"] = lambda params: {"loss": next(values)}
        return toy.run(path, num_steps, step=step, state=state, **options)

    scores = [3.0, 2.0, 2.5, 2.6, 1.0, 5.0, 6.0]
    straight = run(tmp_path / "straight", 14, iter(scores))
    assert "step 8: averaging begins" in capsys.readouterr().err
    step, state = toy.setup(average="none")
    seen = []
    for _, batch in zip(range(14), toy.Batches(), strict=False):
        state, _ = step(state, batch)
        seen.append(jax.device_get(state.params))
    expected = jax.tree.map(lambda *each: np.mean(each, axis=0), *seen[8:])
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        straight.state.ema,
        expected,
    )
    values = iter(scores)
    run(tmp_path / "resumed", 10, values)
    assert_same(run(tmp_path / "resumed", 14, values).state, straight.state)
    assert straight.best_so_far.scores == scores


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("UNKNOWN: Gloo AllGather failed", training.ProcessLost),
        ("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.", jax.errors.JaxRuntimeError),
    ],
)
def test_too_little_memory_is_not_a_lost_process(tmp_path, monkeypatch, what, told):
    def step(state, batch):
        raise jax.errors.JaxRuntimeError(what)

    monkeypatch.setattr(loop, "count", lambda: 2)
    monkeypatch.setattr(loop, "any_of", lambda flag: flag)
    with pytest.raises(told, match=what[:8]):
        toy.run(tmp_path, 4, step=step)
