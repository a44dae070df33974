"""`rnnjax.load` on the small runs that are stored in tests/reference."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import training

RUNS = Path(__file__).parent / "reference/runs"


@pytest.mark.parametrize("name", ["char_lm", "ner", "captioning"])
def test_a_trained_model_has_the_parameters_of_its_best_checkpoint(name):
    model = rnnjax.load(RUNS / name).model
    leaves = jax.tree.leaves_with_path(nnx.to_pure_dict(nnx.state(model, nnx.Param)))
    stored = training.restore_params(RUNS / name, which="best")
    stored = {name.replace("/value", ""): array for name, array in stored.items()}
    assert len(leaves) == len(stored) > 3
    for path, leaf in leaves:
        key = jax.tree_util.keystr(path, simple=True, separator="/")
        np.testing.assert_array_equal(leaf, stored[key], key)
    size = sum(array.size for array in stored.values())
    assert model.summary().splitlines()[-1].split() == ["all", f"{size:,}"]


def test_a_loaded_tagger_reads_plain_texts():
    (tagged,) = rnnjax.load(RUNS / "ner").tag_texts("Ada left Lund.")
    assert tagged.tokens == ("Ada", "left", "Lund", ".")
    assert len(tagged.tags) == 4


def test_a_summary_names_cells_shapes_and_numbers():
    model = rnnjax.models.LanguageModel(7, rnnjax.gru(5), embed_size=3, rngs=nnx.Rngs(0))
    lines = model.summary().splitlines()
    assert lines[:2] == ["LanguageModel", "recurrent: gru(5)"]
    assert ["embed.embedding", "7", "x", "3", "float32", "21"] in [line.split() for line in lines]
    assert lines[-1].split() == ["all", str(7 * 3 + 3 * 15 + 5 * 15 + 15 + 5 + 5 * 7 + 7)]


def test_what_cannot_be_loaded(tmp_path):
    with pytest.raises(rnnjax.UserError, match=f"{tmp_path} is no workdir: it has no experiment"):
        rnnjax.load(tmp_path)
    (tmp_path / "experiment.json").write_text(json.dumps({"experiment": "chess"}))
    with pytest.raises(rnnjax.UserError, match="'chess', which no task of rnnjax loads"):
        rnnjax.load(tmp_path)
    (tmp_path / "experiment.json").write_text(json.dumps({"experiment": "ner"}))
    with pytest.raises(rnnjax.UserError, match="No checkpoint in"):
        rnnjax.load(tmp_path)
