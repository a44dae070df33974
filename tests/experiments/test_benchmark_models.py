"""What `--suite=training` and `--suite=decode` compare is the same model in each library."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnjax
from experiments.benchmark import decode, nnx_models, suites, training
from rnnjax import interchange
from rnnjax.cells.combinators import Directions
from rnnjax.training import num_parameters

TEXTS = {
    "char_lm": ("text.txt", "the quick brown fox jumps over the lazy dog\n" * 9),
    "ner": ("train.conll", "Ada B-PER\nleft O\nLund B-LOC\n\nYale B-ORG\ngrew O\n\n" * 4),
    "translation": ("pairs.tsv", "".join(f"{n * 'a '}b\t{n * 'c '}d\n" for n in range(12))),
}
TINY = {
    "char_lm": {"window": 6, "batch_size": 3},
    "ner": {"batch_size": 2, "num_buckets": 1, "input_dropout": 0.0, "word_dropout": 0.0},
    "translation": {"batch_size": 4, "num_buckets": 1, "attention_size": 3, "level": "word"},
}
ALIKE = {
    "hidden_size": 5, "embed_size": 4, "dropout": 0.0, "schedule": "constant", "warmup_steps": 0,
    "learning_rate": 2e-2,
}  # fmt: skip
NUM_UPDATES = 4
NUM_DIRECTIONS = {"char_lm": 1, "ner": 2, "translation": 3}


@pytest.fixture(scope="module", params=TINY)
def trained(request, tmp_path_factory):
    """A tiny task, its first batch a few times over, and the losses of rnnjax by it."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    file, text = TEXTS[name]
    (folder / file).write_text(text)
    if name == "ner":
        (folder / "dev.conll").write_text(text)
    data = str(folder if name == "ner" else folder / file)
    task = training.default_task(name, data=data, **TINY[name] | ALIKE)
    batch = task.batches()[0]
    if name == "char_lm":  # the others know no documents
        batch["reset"] = np.zeros_like(batch["reset"])
    step = training.rnnjax_step(task)
    sums = [step(batch)["sums"]["loss"] for _ in range(NUM_UPDATES)]
    return name, task, [batch] * NUM_UPDATES, [float(total / count) for total, count in sums]


def plain_parts(name, model):
    """The parameters of rnnjax's model that are not recurrent, by the peers' names."""
    state = nnx.to_pure_dict(nnx.state(model, nnx.Param))
    if name == "char_lm":
        return {part: state[part] for part in ("embed", "head")}
    if name == "ner":
        features = state["features"]
        characters = features["characters"]
        kernel, bias = characters["filters"]["kernel"], characters["filters"]["bias"]
        filters = {"kernel": kernel.reshape(3, -1, len(bias)), "bias": bias}
        return {
            "words": features["embed"], "case": features["case"], "filters": filters,
            "characters": characters["embed"], "head": state["head"], **state["crf"]._asdict(),
        }  # fmt: skip
    names = ("embed", "first", "gate", "from_seen", "from_hidden", "head")
    w_location, w_query, b, w_score = state["attention"]
    return {part: state[part] for part in names} | {
        "source": state["encoders"][0]["embed"], "keys": {"kernel": w_location, "bias": b},
        "query": {"kernel": w_query}, "score": {"kernel": w_score[:, None]},
    }  # fmt: skip


def recurrent_parts(name, model):
    if name == "translation":
        return {"encoder": model.encoders[0].recurrent, "cell": model.recurrent}
    return {"recurrent": model.recurrent}


def as_nnx(name, model):
    make = rnnjax.gru if name == "translation" else rnnjax.lstm

    def of_layer(params):
        return interchange.to_nnx(make(len(params.w_hh)), params)

    state = plain_parts(name, model)
    for part, recurrent in recurrent_parts(name, model).items():
        layer, _ = recurrent.params.get_value()
        if isinstance(layer, Directions):
            both = zip(("forward_rnn", "backward_rnn"), layer, strict=True)
            state[part] = {direction: {"cell": of_layer(one)} for direction, one in both}
        else:
            state[part] = of_layer(layer) if part == "cell" else {"cell": of_layer(layer)}
    return state


def as_torch(name, model):
    tensors = {}
    for part, layer in plain_parts(name, model).items():
        for key, array in layer.items() if isinstance(layer, dict) else [("", layer)]:
            array = np.asarray(array).T if key == "kernel" else np.asarray(array)
            tensors[".".join([part, *({"bias": ["bias"], "": []}.get(key, ["weight"]))])] = array
    for part, recurrent in recurrent_parts(name, model).items():
        arrays = interchange.to_torch(recurrent.cell, recurrent.params.get_value(), f"{part}.")
        tensors |= {n.removesuffix("_l0") if part == "cell" else n: a for n, a in arrays.items()}
    return tensors


def nnx_peer(name, task):
    peer = getattr(nnx_models, training.MODELS[name])(task.config, task.ours, rngs=nnx.Rngs(1))
    nnx.update(peer, as_nnx(name, task.ours))
    return peer


def torch_peer(name, task):
    torch = pytest.importorskip("torch")
    from experiments.benchmark import torch_models

    peer = getattr(torch_models, training.MODELS[name])(task.config, task.ours)
    given = {n: torch.tensor(array) for n, array in as_torch(name, task.ours).items()}
    missing, unknown = peer.load_state_dict(given, strict=False)
    assert not unknown
    assert all(n.startswith("no_") for n in missing)
    return torch_models, peer


def trained_by_nnx(name, task, batches):
    peer = nnx_peer(name, task)
    size = num_parameters(nnx.state(peer, nnx.Param))
    step = nnx_models.trainer(peer, task.config)
    return size, [float(step(batch)) for batch in batches]


def trained_by_torch(name, task, batches):
    torch_models, peer = torch_peer(name, task)
    size = sum(one.numel() for one in peer.parameters())
    step = torch_models.trainer(peer, task.config)
    return size, [float(step(torch_models.tensors(batch, "cpu"))) for batch in batches]


@pytest.mark.parametrize(
    ("train", "more", "tolerance"),
    [
        (trained_by_nnx, {"lstm": 0, "gru": -1}, {"lstm": 1e-3, "gru": 0.1}),  # no b_hn
        (trained_by_torch, {"lstm": 4, "gru": 2}, {"lstm": 0.1, "gru": 0.1}),  # two biases
    ],
)
def test_a_peer_begins_with_the_loss_of_rnnjax_and_learns_as_much(trained, train, more, tolerance):
    name, task, batches, losses = trained
    size, found = train(name, task, batches)
    kind, units = task.config.cell, NUM_DIRECTIONS[name] * task.config.hidden_size
    assert size == num_parameters(nnx.state(task.ours, nnx.Param)) + more[kind] * units
    assert found[0] == pytest.approx(losses[0], rel=1e-5)
    assert found[0] - found[-1] == pytest.approx(losses[0] - losses[-1], rel=tolerance[kind])


@pytest.mark.parametrize("trained", ["char_lm"], indirect=True)
def test_the_beam_of_the_peer_finds_the_same(trained):
    peer, ours = nnx_peer(*trained[:2]), trained[1].ours
    np.testing.assert_array_equal(nnx_models.beam(peer, 1, 3)(7), decode.beam(ours, 1, 3)(7))


@pytest.mark.parametrize("trained", ["char_lm"], indirect=True)
@pytest.mark.parametrize("library", ["nnx", "torch"])
def test_a_peer_samples_by_the_probabilities_of_the_model(trained, library):
    name, task, *_ = trained
    ours, num_draws = task.ours, 20_000
    logits, _ = ours.step(jnp.array([1]), ours.initial_carry(1))
    bias = np.linspace(-2, 2, logits.shape[1], dtype=np.float32)
    if library == "nnx":
        models, peer = nnx_models, nnx_peer(name, task)
        peer.head.bias[...] = bias
    else:
        models, peer = torch_peer(name, task)
        with models.torch.no_grad():
            peer.head.bias.copy_(models.torch.from_numpy(bias))
    drawn = models.sampler(peer, 1)(num_draws, 1)[:, 0]
    shares = np.bincount(drawn, minlength=len(bias)) / num_draws
    np.testing.assert_allclose(shares, jax.nn.softmax(logits[0] + bias), atol=0.015)


def test_the_suite_decode_writes_with_every_contender(monkeypatch):
    monkeypatch.setattr(decode, "LENGTH", 2)
    monkeypatch.setattr(decode, "NUM_TEXTS", (3,))
    monkeypatch.setattr(
        suites, "interleaved", lambda calls, _: {name: len(call()) for name, call in calls.items()}
    )
    monkeypatch.setattr(jax, "clear_caches", lambda: None)
    rows = decode.suite(1, "embedded")
    assert [row["what"] for row in rows] == ["sample", "beam 5"]
    assert all(row["flax.nnx"] == 1 for row in rows)  # as many texts as rnnjax
