"""Settings that cannot work are refused by their names; the others make the model they say."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from flax import nnx

from rnnjax.errors import UserError
from rnnjax.tasks.captioning import image_captioner
from rnnjax.tasks.captioning.captioned_images import CaptionVocabulary
from rnnjax.tasks.captioning.captioner import Locations
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.image_captioner import make_captioner
from rnnjax.tasks.captioning.likelihood_loss import batch_loss, initial_carry


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"decoder": "sofd"}, "unknown --config.decoder=sofd; did you mean 'soft'?"),
        ({"hard_gradient": "gumble"}, "unknown --config.hard_gradient=gumble; did you mean 'gumb"),
        ({"encoder": "cnm"}, "unknown --config.encoder=cnm; did you mean 'cnn'?"),
        ({"cell": "grru"}, "unknown --config.cell=grru; did you mean 'gru'?"),
        ({"level": "char"}, "unknown --config.level=char; "),
        ({"resize": "crob"}, "unknown --config.resize=crob; did you mean 'crop'?"),
        ({"compute_dtype": "float8"}, "unknown --config.compute_dtype=float8; "),
        ({"hidden_size": 0}, "--config.hidden_size is 1 or more; got 0"),
        ({"attention_size": -1}, "--config.attention_size is 1 or more; got -1"),
        ({"feature_size": 0}, "--config.feature_size is 1 or more; got 0"),
        ({"feature_size": 2}, "--config.feature_size is 5 or more; got 2"),
        ({"num_counts": -1}, "--config.num_counts is 0 or more; got -1"),
        ({"detection_weight": -0.1}, "--config.detection_weight is 0 or more; got -0.1"),
        ({"min_count": 0}, "--config.min_count is 1 or more; got 0"),
        ({"image_size": 4}, "--config.image_size is 8 or more; got 4"),
        ({"num_subwords": 7}, "--config.num_subwords is 8 or more; got 7"),
        ({"spread_weight": -1.0}, "--config.spread_weight is 0 or more; got -1"),
        ({"spread_weight": float("nan")}, "--config.spread_weight is 0 or more; got nan"),
        ({"dropout": 1.0}, r"--config.dropout lies in \[0, 1\); got 1"),
        ({"soft_rate": 1.5}, r"--config.soft_rate lies in \[0, 1\]; got 1.5"),
        ({"batch_size": 0}, "--config.batch_size is 1 or more; got 0"),
        ({"encoder": "efficientnet"}, "--config.encoder=efficientnet is not for digit scenes, whi"),
        ({"features": "x.npz"}, "--config.features=x.npz is not for digit scenes"),
        ({"level": "subword"}, "--config.level=subword is not for digit scenes"),
    ],
)
def test_values_that_cannot_work(change, told):
    with pytest.raises(UserError, match=told):
        CaptionerConfig(**change).validate()


def test_values_that_work():
    CaptionerConfig().validate()
    CaptionerConfig(soft_rate=1.0, dropout=0.0, spread_weight=1.0).validate()
    CaptionerConfig(data="folder", encoder="efficientnet", level="subword").validate()
    CaptionerConfig(data="folder", encoder="efficientnet", feature_size=1).validate()
    CaptionerConfig(data="folder", features="x.npz", feature_size=1).validate()


VOCABULARY = CaptionVocabulary.of(["a red dog"])
loss_of = nnx.jit(batch_loss, static_argnums=0)


@pytest.fixture
def few_locations(monkeypatch):
    """A frozen encoder with three locations."""
    monkeypatch.setattr(image_captioner, "LOCATIONS", Locations(1, 3, 11))


SMALL = {"hidden_size": 6, "embed_size": 3, "attention_size": 4, "feature_size": 9}


def shapes(config):
    model = make_captioner(config, len(VOCABULARY))
    flat = nnx.to_flat_state(nnx.state(model, nnx.Param))
    return {
        "/".join(map(str, path)): [leaf.shape for leaf in jax.tree.leaves(value.get_value())]
        for path, value in flat
    }


def test_a_config_makes_the_model_that_it_says(few_locations):
    config = CaptionerConfig(**SMALL, image_size=48, cell="gru", num_layers=2)
    found = shapes(config)
    assert found["embed/embedding"] == [(6, 3)]
    assert found["attention"] == [(9, 4), (12 + 3, 4), (4,), (4,)]
    assert found["recurrent/params"][0] == (3 + 9, 18)
    assert found["recurrent/params"][4] == (6, 18)
    parts = "form", "colour", "place", "around_form", "around_colour"
    assert [found[f"encoder/{part}/kernel"][0][-1] for part in parts] == [4, 2, 1, 1, 1]
    assert "detection_head/kernel" not in found
    detecting = shapes(dataclasses.replace(config, detection_weight=0.1))
    assert detecting["detection_head/kernel"] == [(9, len(VOCABULARY))]
    counting = shapes(dataclasses.replace(config, num_counts=2))
    assert counting["attention"][4:] == [(4, 2)]
    assert counting["from_seen/kernel"] == [(9 + 2, 3)]
    elsewhere = CaptionerConfig(**SMALL, data="folder", encoder="efficientnet", decoder="initial")
    found = shapes(elsewhere)
    assert not any(name.startswith(("encoder", "attention")) for name in found)
    assert (found["project/kernel"], found["first/kernel"]) == ([(11, 9)], [(9, 12)])
    model = make_captioner(elsewhere, len(VOCABULARY))
    assert (model.locations, model.context, model.dropout) == (
        Locations(1, 3, 11), "initial", 0.0,
    )  # fmt: skip
    drawn = [
        make_captioner(
            CaptionerConfig(**SMALL, data="folder", encoder="efficientnet", seed=seed),
            len(VOCABULARY),
        ).head.kernel[...]
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.allclose(drawn[0], drawn[2])


@pytest.mark.parametrize("gradient", ["reinforce", "gumbel"])
def test_hard_attention_is_read_softly_at_first(few_locations, gradient):
    config = CaptionerConfig(
        **SMALL, data="folder", encoder="efficientnet", decoder="hard", hard_gradient=gradient,
        soft_rate=0.0, soft_steps=2,
    )  # fmt: skip
    model = make_captioner(config, len(VOCABULARY))
    batch = features_batch()
    key = jax.random.key(0)
    soft, drawn = (
        functools.partial(loss_of, dataclasses.replace(config, **other))
        for other in ({"soft_rate": 1.0}, {"soft_steps": 0})
    )
    carry = initial_carry()
    totals = [float(x(model, batch, key, carry).metrics["nats"]) for x in (soft, drawn)]
    assert abs(totals[0] - totals[1]) > 1e-4
    found = []
    for _ in range(4):
        loss = loss_of(config, model, batch, key, carry)
        found.append(float(loss.metrics["nats"]))
        carry = loss.carry
    np.testing.assert_allclose(found, np.repeat(totals, 2), rtol=1e-6)


def features_batch():
    """Two captions, with features of three locations."""
    rng = np.random.default_rng(0)
    return {
        "features": rng.normal(size=(2, 3, 11)).astype(np.float32),
        "words": np.array([[2, 3], [4, 0], [0, 0]], np.int32),
        "lengths": np.array([3, 2], np.int32),
    }


def test_detection_fades_and_the_carry_counts(few_locations):
    config = CaptionerConfig(
        **SMALL, data="folder", encoder="efficientnet", detection_weight=2.0, detection_steps=4
    )
    model = make_captioner(config, len(VOCABULARY))
    batch = features_batch()
    loss_fn = nnx.jit(functools.partial(batch_loss, config))
    carry, extra = initial_carry(), []
    for _ in range(6):
        loss = loss_fn(model, batch, jax.random.key(0), carry)
        extra.append(float(loss.total - loss.metrics["nats"]))
        carry = loss.carry
    assert extra[0] > 1
    np.testing.assert_allclose(extra, extra[0] * np.array([4, 3, 2, 1, 0, 0]) / 4, atol=1e-5)
    steady = dataclasses.replace(config, detection_steps=0)
    loss = loss_of(steady, model, batch, jax.random.key(0), carry)
    assert float(loss.total - loss.metrics["nats"]) == pytest.approx(extra[0], rel=1e-5)
