"""Likelihoods and generated music against loops over frames."""

import jax
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.heads import nade
from rnnjax.tasks.music import reports
from rnnjax.tasks.music.config import MusicConfig
from rnnjax.tasks.music.frame_model import FrameModel, batch_loss
from rnnjax.tasks.music.music_model import MusicModel
from rnnjax.tasks.music.pieces import Piece
from rnnjax.tasks.music.preparation import evaluation_batches, piece_examples
from tests.tasks.music.test_pieces import roll

RNG = np.random.default_rng(0)
PIECES = [Piece(str(n), RNG.random((n, 88)) < 0.1) for n in (5, 1, 9)]
HEADS = pytest.mark.parametrize("nade_size", [0, 3], ids=["independent", "nade"])


def make(nade_size):
    model = FrameModel(rnnjax.gru(6), nade_size=nade_size, rngs=nnx.Rngs(1))
    model.biases.bias[...] = jax.random.normal(jax.random.key(2), model.biases.bias.shape) - 1
    return MusicModel(model, MusicConfig(batch_size=2, num_buckets=2))


def stepwise(music, frames):
    """log p of each frame by a loop over frames and notes, in float64."""
    model = music.model
    params = jax.tree.map(lambda x: np.asarray(x, np.float64), model.recurrent.params.get_value())
    kernel, bias = (
        np.asarray(x[...], np.float64) for x in (model.biases.kernel, model.biases.bias)
    )
    carry = model.recurrent.cell.initial_carry(params, (1,))
    x_t, found = np.zeros(88), []
    for frame in frames:
        carry, y_t = model.recurrent.cell(params, carry, x_t[None])
        biases = np.asarray(y_t[0], np.float64) @ kernel + bias
        b, a = biases[:88], biases[88:]
        total = 0.0
        for n, on in enumerate(frame[::-1]):
            logit = b[n]
            if model.nade is not None:
                w, u = (np.asarray(x, np.float64) for x in model.nade.get_value())
                logit += 1 / (1 + np.exp(-a)) @ u[n]
                a = a + on * w[n]
            else:
                logit = b[87 - n]
            total -= np.log1p(np.exp(-logit if on else logit))
        found.append(total)
        x_t = frame.astype(float)
    return np.array(found)


@HEADS
def test_log_probabilities_are_those_of_a_loop_over_frames_and_notes(nade_size):
    music = make(nade_size)
    found = music.log_probabilities(PIECES)
    for piece, its in zip(PIECES, found, strict=True):
        np.testing.assert_allclose(its, stepwise(music, piece.frames), rtol=2e-5)


@HEADS
def test_the_loss_is_the_mean_over_the_frames_of_all_pieces(nade_size):
    music = make(nade_size)
    step = nnx.jit(batch_loss)
    losses = [step(music.model, b, None) for b in evaluation_batches(PIECES, music.config)]
    total, count = (sum(float(loss[n]) for loss in losses) for n in (0, 1))
    expected = np.concatenate([stepwise(music, piece.frames) for piece in PIECES])
    assert count == len(expected) == 15
    assert total / count == pytest.approx(-expected.mean(), rel=1e-5)


def test_the_first_frame_of_a_part_is_predicted_from_the_frame_before_it():
    music, piece = make(0), PIECES[2]
    part = piece_examples([piece], music.config, window=4).get(1)
    logits = music.model(part["before"][None], part["frames"][:, None])
    found = nade.log_probability(logits, part["frames"][:, None])[:, 0]
    # Without a bias, the state after silence is the state before the first frame.
    expected = stepwise(music, piece.frames[3:8])[1:]
    np.testing.assert_allclose(found, expected, rtol=2e-5)


@HEADS
def test_generated_frames_are_as_frequent_as_probable(nade_size):
    music = make(nade_size)
    rows = 4000
    first = roll([60, 64], [62])
    drawn = music.generate(3, prefix=first, num_samples=rows)
    assert (drawn[:, :2] == first).all()
    # Of frames that agree above a note, so many have the note as its log-odds say.
    for key in range(87, 77, -1):
        above = drawn[:, 2, key + 1 :] if nade_size else drawn[:, 2, :0]
        alike = drawn[(above == above[0]).all(axis=1)]
        if len(alike) < 100:
            break
        p = jax.nn.sigmoid(music.log_odds([Piece("x", alike[0])])[0][2, key])
        share = alike[:, 2, key].mean()
        assert share == pytest.approx(float(p), abs=5 * 0.5 / len(alike) ** 0.5)
    assert key < 85


@HEADS
def test_a_melody_is_the_highest_voice_and_what_lies_under_it_is_drawn(nade_size):
    music = make(nade_size)
    melody = roll([60, 72], [74], [], [71])
    drawn = music.generate(prefix=melody[:1], melody=melody, num_samples=50, seed=4)
    assert drawn.shape == (50, 4, 88)
    assert (drawn[:, 0] == melody[0]).all()
    for t, note in {1: 74, 3: 71}.items():
        assert drawn[:, t, note - 21].all()
        assert not drawn[:, t, note - 20 :].any()
        assert 0 < drawn[:, t, : note - 21].mean() < 1
    assert drawn[:, 2].any()


def test_seed_and_temperature():
    music = make(3)
    one, again, other = (music.generate(6, num_samples=3, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert (one[0] != one[1]).any()
    (cold,) = music.generate(2, temperature=0)
    odds = music.log_odds([Piece("x", cold)])[0]
    np.testing.assert_array_equal(cold, np.asarray(odds) > 0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"num_frames": 0}, "num_frames is 1 or more; got 0"),
        ({"num_samples": 0}, "num_samples is 1 or more"),
        ({"temperature": float("nan")}, "temperature is 0 or more"),
        ({"prefix": roll([60], [60]), "num_frames": 1}, "prefix has 2 frames: expected at most 1"),
        ({"melody": np.zeros((3, 12))}, r"the melody has the shape \[3, 12\]: expected \[T, 88\]"),
    ],
)
def test_what_cannot_be_generated(options, told):
    with pytest.raises(UserError, match=told):
        make(0).generate(**options)


def test_a_bidirectional_cell_would_see_the_notes():
    with pytest.raises(UserError, match="bidirectional"):
        FrameModel(rnnjax.bidirectional(rnnjax.gru(2), rnnjax.gru(2)), rngs=nnx.Rngs(0))


def test_the_markov_chain_counts_notes_that_stay_and_that_begin():
    train = [Piece("a", roll([60], [60], [60], [])), Piece("b", roll([], [60]))]
    # It begins in 2 of the 3 frames after silence (two of them are the first ones of their
    # piece), and stays in 2 of the 3 after itself.
    begins, stays = (2 + 1) / (3 + 2), (2 + 1) / (3 + 2)
    (found,) = reports.markov_log_probabilities(train, [Piece("c", roll([], [60], [60]))])
    others = 87 * np.log(1 - 1 / (6 + 2))
    expected = np.log([1 - begins, begins, stays]) + others
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_scores_and_the_picture(monkeypatch):
    music = make(0)
    splits = {"train": PIECES[:1], "test": PIECES[1:]}
    results, told = reports.score_split(music, splits, "test")
    loop = [-stepwise(music, piece.frames) for piece in PIECES[1:]]
    assert results["test, nats/frame"] == pytest.approx(np.concatenate(loop).mean(), rel=1e-5)
    rest = np.concatenate([its[1:] for its in loop]).mean()
    assert results["test, nats/frame without first frames"] == pytest.approx(rest, rel=1e-5)
    assert f"first frame of a piece {rest:.4f} (" in told
    assert reports.fifths_rate([roll([48, 55], [50, 57]), roll([60], [61])]) == 25
    png = reports.draw_pieces(music, PIECES, mark_fifths=True)
    assert png.startswith(b"\x89PNG")
    assert training.Section("x", png=png).png
