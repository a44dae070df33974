"""The network of videos: padding has no influence, and the beginning of a video is scored alone."""

import jax
import numpy as np
import pytest
from flax import nnx

from rnnjax import visuals
from rnnjax.errors import UserError
from rnnjax.tasks.activity import reports
from rnnjax.tasks.activity.activity_model import ActivityModel, FrameEncoder, make_model
from rnnjax.tasks.activity.clips import Clip, Videos
from rnnjax.tasks.activity.config import ActivityConfig

SMALL = {"hidden_size": 4, "frame_size": 3, "batch_size": 2, "num_buckets": 1}


def model_of(shape, **fields):
    config = ActivityConfig(**{**SMALL, **fields})
    width = 6 * shape[0] if shape[1] == 3 else 1
    videos = Videos(("a", "b", "c"), shape, (0.5,) * width, (2.0,) * width)
    return ActivityModel(make_model(config, videos), videos, config)


def test_the_encoder_is_two_convolutions_of_stride_2_in_numpy():
    encoder = FrameEncoder((6, 5), 3, rngs=nnx.Rngs(0))
    image = np.random.default_rng(0).normal(size=(6, 5))

    def convolve(x, layer):  # [H, W, C], "SAME": as much as is needed, the larger half at the end
        kernel, bias = np.array(layer.kernel[...], float), np.array(layer.bias[...], float)
        sizes = [-(-side // 2) for side in x.shape[:2]]
        pads = [max(2 * (n - 1) + 3 - side, 0) for n, side in zip(sizes, x.shape, strict=False)]
        x = np.pad(x, [*((p // 2, p - p // 2) for p in pads), (0, 0)])
        return np.array([
            [np.einsum("ijc,ijcd->d", x[2 * r : 2 * r + 3, 2 * c : 2 * c + 3], kernel) + bias
             for c in range(sizes[1])]
            for r in range(sizes[0])
        ])  # fmt: skip

    maps = np.maximum(convolve(image[..., None], encoder.conv1), 0)
    maps = np.maximum(convolve(maps, encoder.conv2), 0)
    linear = encoder.linear
    expected = np.maximum(maps.ravel() @ np.array(linear.kernel[...]) + linear.bias[...], 0)
    got = encoder(image[None, None].astype(np.float32))[0, 0]
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_frames_behind_the_end_have_no_influence_and_no_gradient(pooling):
    network = model_of((4, 4), pooling=pooling).model
    frames = np.random.default_rng(0).normal(size=(5, 2, 4, 4)).astype(np.float32)
    lengths = np.array([3, 5])

    graph, params = nnx.split(network, nnx.Param)

    @jax.jit
    def score(frames, params=params):
        return nnx.merge(graph, params)(frames, lengths)[0, 0]

    other = frames.copy()
    other[3:, 0] += 7
    assert score(frames) == score(other)
    gradient = jax.jit(jax.grad(score))(frames)
    assert not gradient[3:, 0].any()
    assert gradient[:3, 0].any()

    slopes = jax.jit(jax.grad(score, argnums=1))
    expected = slopes(frames, params)
    other[3:, 0] = np.nan
    jax.tree.map(np.testing.assert_array_equal, slopes(other, params), expected)
    assert any(leaf.any() for leaf in jax.tree.leaves(expected))


@pytest.mark.parametrize("shape", [(4, 4), (20, 3)])
def test_half_of_a_video_is_what_a_cut_video_gets(shape):
    model = model_of(shape)
    rng = np.random.default_rng(0)
    videos = [rng.normal(size=(steps, *shape)) for steps in (7, 2, 4)]
    half = model.classify(videos, percent=50)
    cut = np.concatenate([model.classify([v[:n]]) for v, n in zip(videos, (4, 1, 2), strict=True)])
    np.testing.assert_allclose(half, cut, rtol=1e-5)
    np.testing.assert_allclose(half.sum(axis=-1), 1, rtol=1e-5)
    assert np.abs(half - model.classify(videos)).max() > 1e-3


def test_the_picture_over_time_has_the_true_class_too(monkeypatch):
    drawn = []
    monkeypatch.setattr(visuals, "draw_lines", lambda panels, *_, **__: drawn.append(panels) or b"")
    monkeypatch.setattr(reports, "SHOWN", 1)
    model = model_of((4, 4))
    frames = np.random.default_rng(0).normal(size=(3, 4, 4))
    unlikely = int(model.classify([frames[:n] for n in (1, 2, 3)]).max(axis=0).argmin())
    for label, count in (("abc"[unlikely], 2), ("", 1)):
        reports.draw_over_time(model, Clip(frames, label, "name"))
        (lines,) = drawn.pop().values()
        assert len(lines) == count
        assert not label or label in lines


def test_wrong_videos_are_named():
    model = model_of((4, 4))
    with pytest.raises(UserError, match="video 1 has no frames"):
        model.classify([np.zeros((2, 4, 4)), np.zeros((0, 4, 4))])
    with pytest.raises(UserError, match=r"video 0: the frames have the shape \[4, 5\]"):
        model.classify([np.zeros((2, 4, 5))])
    with pytest.raises(UserError, match="there are no videos"):
        model.classify([])
    with pytest.raises(UserError, match="percent is above 0 and at most 100; got 0"):
        model.classify([np.zeros((2, 4, 4))], percent=0)
