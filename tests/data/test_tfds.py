"""Data sets in TFDS's own prepared format, written by TFDS itself, without TensorFlow."""

import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from rnnjax.data import load
from rnnjax.errors import UserError


def prepare(data_dir, name, splits, feature_names=("text",), version="1.0.0"):
    """Writes {split: [[text of each feature] of each example]}."""
    folder = data_dir / name / version
    folder.mkdir(parents=True)
    features = {key: tfds.features.Text() for key in feature_names}
    features["label"] = tfds.features.Scalar(np.int64)
    identity = tfds.core.dataset_info.DatasetIdentity(
        name=name, version=tfds.core.Version(version), data_dir=str(folder), module_name="tests"
    )
    info = tfds.core.DatasetInfo(builder=identity, features=tfds.features.FeaturesDict(features))
    writer = tfds.core.SequentialWriter(
        info, max_examples_per_shard=2, file_format="array_record", overwrite=False
    )
    writer.initialize_splits(list(splits))
    for split, examples in splits.items():
        rows = [dict(zip(feature_names, e, strict=True), label=n) for n, e in enumerate(examples)]
        writer.add_examples({split: rows})
    writer.close_splits(list(splits))


def texts(corpus, part):
    ids, starts = corpus.splits[part]
    ends = [*starts[1:], len(ids)]
    return [corpus.vocabulary.decode(ids[a:b]) for a, b in zip(starts, ends, strict=True)]


@pytest.mark.parametrize("name", ["tiny_shakespeare", "my_own_text"])
def test_own_splits_are_kept_and_tensorflow_is_not_needed(tmp_path, name):
    splits = {"train": ["né", "to be", "or not"], "validation": ["to"], "test": ["be?"]}
    prepare(tmp_path, name, {k: [[t] for t in v] for k, v in splits.items()})
    corpus = load(f"tfds:{name}", tfds_data_dir=str(tmp_path))
    assert {part: texts(corpus, part) for part in corpus.splits} == {
        **splits,
        "test": ["be\ufffd"],
    }
    assert "tensorflow" not in sys.modules


def test_validation_is_taken_from_training_where_there_is_none(tmp_path):
    documents = [[f"document {n}"] for n in range(10, 50)]
    prepare(tmp_path, "two_splits", {"train": documents, "test": [["document 1"]]})
    corpus = load("tfds:two_splits", tfds_data_dir=str(tmp_path), test_fraction=0.3)
    assert texts(corpus, "test") == ["document 1"]
    train, validation = texts(corpus, "train"), texts(corpus, "validation")
    assert len(validation) == 4
    assert sorted(train + validation) == [d[0] for d in documents]


def test_a_feature_is_chosen_by_name(tmp_path):
    prepare(tmp_path, "versioned", {"train": [["hello"]]})
    prepare(tmp_path, "pairs", {"train": [["hello", "bonjour"]]}, ("en", "fr"))
    options = {"tfds_data_dir": str(tmp_path), "valid_fraction": 0}
    assert texts(load("tfds:pairs:fr", **options), "train") == ["bonjour"]
    assert texts(load("tfds:pairs:1.0.0:en", **options), "train") == ["hello"]
    assert texts(load("tfds:versioned:1.0.0", **options), "train") == ["hello"]
    with pytest.raises(UserError, match=r"than one text feature: en, fr; .*tfds:pairs:FEATURE"):
        load("tfds:pairs", **options)
    with pytest.raises(UserError, match="no text feature called 'frr': did you mean 'fr'"):
        load("tfds:pairs:frr", **options)


def test_a_data_set_without_text_is_refused(tmp_path):
    prepare(tmp_path, "numbers", {"train": [[]]}, ())
    with pytest.raises(UserError, match="tfds:numbers has no text feature, only label"):
        load("tfds:numbers", tfds_data_dir=str(tmp_path))


def test_an_unknown_name_gets_the_nearest(tmp_path):
    with pytest.raises(UserError, match=r"Did you mean tfds:tiny_shakespeare\?.*embedded"):
        load("tfds:tiny_shakspeare", tfds_data_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionError("Name or service not known\nmore"), "ConnectionError: Name or service"),
        (ModuleNotFoundError("No module named 'tensorflow'"), "needs TensorFlow .*rnnjax.tfds"),
    ],
)
def test_what_cannot_be_prepared_is_one_line_that_names_what_works_offline(
    tmp_path, monkeypatch, error, told
):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(UserError, match=f"tfds:tiny_shakespeare .*{told}.*data=embedded") as got:
        load("tfds:tiny_shakespeare", tfds_data_dir=str(tmp_path))
    assert "\n" not in str(got.value)


def test_a_name_that_is_none():
    with pytest.raises(UserError, match="tfds:!! cannot be had"):
        load("tfds:!!")


def test_damaged_records_are_one_line(tmp_path):
    prepare(tmp_path, "damaged", {"train": [["a text"] * 1 for _ in range(2)]})
    (record,) = (tmp_path / "damaged").rglob("*.array_record*")
    record.write_bytes(record.read_bytes()[:30])
    with pytest.raises(UserError, match="tfds:damaged cannot be had"):
        load("tfds:damaged", tfds_data_dir=str(tmp_path))


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(UserError, match=r"needs the package tensorflow_datasets"):
        load("tfds:tiny_shakespeare")
