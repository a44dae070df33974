"""Texts in TFDS's own prepared format."""

import sys
import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from rnnjax.data import load
from rnnjax.data.tfds import images, labelled, pairs
from rnnjax.errors import UserError
from tests.data.prepared_tfds import as_png, write_grey_images, write_tfds
from tests.data.test_text import documents_of


@pytest.fixture(autouse=True)
def data_dir(tmp_path, monkeypatch):
    """The folder of TFDS, as the variable TFDS_DATA_DIR names it before TFDS is imported."""
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))


def prepare(data_dir, name, splits, feature_names=("text",)):
    """Writes {split: [[text of each feature] of each example]}."""
    features = {key: tfds.features.Text() for key in feature_names}
    features["label"] = tfds.features.Scalar(np.int64)
    rows = {
        split: [dict(zip(feature_names, e, strict=True), label=n) for n, e in enumerate(examples)]
        for split, examples in splits.items()
    }
    write_tfds(data_dir, name, features, rows)


@pytest.mark.parametrize("name", ["tiny_shakespeare", "my_own_text"])
def test_own_splits_are_kept_and_tensorflow_is_not_needed(tmp_path, name):
    splits = {"train": ["né", "to be", "or not"], "validation": ["to"], "test": ["be?"]}
    prepare(tmp_path, name, {k: [[t] for t in v] for k, v in splits.items()})
    corpus = load(f"tfds:{name}")
    assert {part: documents_of(corpus, part) for part in corpus.splits} == {
        **splits,
        "test": ["be\ufffd"],
    }
    assert "tensorflow" not in sys.modules


def test_a_validation_split_of_another_name_is_known(tmp_path):
    prepare(tmp_path, "other_name", {"train": [["to be"]], "dev": [["to"]]})
    corpus = load("tfds:other_name")
    assert {part: documents_of(corpus, part) for part in corpus.splits} == {
        "train": ["to be"],
        "validation": ["to"],
    }


def test_looking_a_data_set_up_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", lambda *_, **__: [][0])
    (tmp_path / "scratch").mkdir()
    for name in ("tiny_shakespeare", "tiny_shakspeare"):
        with pytest.raises(UserError, match=f"tfds:{name} cannot be had|no data set"):
            load(f"tfds:{name}")
    assert not list((tmp_path / "scratch").iterdir())


def test_validation_is_taken_from_training_where_there_is_none(tmp_path):
    documents = [[f"document {n}"] for n in range(10, 50)]
    prepare(tmp_path, "two_splits", {"train": documents, "test": [["document 1"]]})
    corpus = load("tfds:two_splits")
    assert documents_of(corpus, "test") == ["document 1"]
    train, validation = documents_of(corpus, "train"), documents_of(corpus, "validation")
    assert len(validation) == 4
    assert sorted(train + validation) == [d[0] for d in documents]


def test_a_feature_is_chosen_by_name(tmp_path):
    prepare(tmp_path, "versioned", {"train": [["hello"]]})
    prepare(tmp_path, "pairs", {"train": [["hello", "bonjour"]]}, ("en", "fr"))
    options = {"valid_fraction": 0}
    assert documents_of(load("tfds:pairs:fr", **options), "train") == ["bonjour"]
    assert documents_of(load("tfds:pairs:1.0.0:en", **options), "train") == ["hello"]
    assert documents_of(load("tfds:versioned:1.0.0", **options), "train") == ["hello"]
    with pytest.raises(UserError, match=r"than one text feature: en, fr; .*tfds:pairs:FEATURE"):
        load("tfds:pairs", **options)
    with pytest.raises(UserError, match="no text feature called 'frr': did you mean 'fr'"):
        load("tfds:pairs:frr", **options)


def test_a_data_set_without_text_is_refused(tmp_path):
    prepare(tmp_path, "numbers", {"train": [[]]}, ())
    with pytest.raises(UserError, match="tfds:numbers has no text feature, only label"):
        load("tfds:numbers")


def test_an_unknown_name_gets_the_nearest(tmp_path):
    with pytest.raises(UserError, match=r"Did you mean tfds:tiny_shakespeare\?.*embedded"):
        load("tfds:tiny_shakspeare")


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
        load("tfds:tiny_shakespeare")
    assert "\n" not in str(got.value)


def test_a_name_that_is_none():
    with pytest.raises(UserError, match="tfds:!! cannot be had"):
        load("tfds:!!")


def test_damaged_records_are_one_line(tmp_path):
    prepare(tmp_path, "damaged", {"train": [["a text"] * 1 for _ in range(2)]})
    (record,) = (tmp_path / "damaged").rglob("*.array_record*")
    record.write_bytes(record.read_bytes()[:30])
    with pytest.raises(UserError, match="tfds:damaged cannot be had"):
        load("tfds:damaged")


def test_pairs_are_the_input_and_the_target_or_what_is_named(tmp_path, monkeypatch):
    rows = {"train": [["a mail", "a title", "x"]], "dev": [["b", "c", "y"]], "extra": [["d"] * 3]}
    prepare(tmp_path, "mails", rows, ("body", "title", "more"))
    found = pairs("mails", "title", "more")
    assert found.keys() == {"train", "validation"}
    assert found["train"][0].fields == {"source": "a title", "target": "x"}
    assert found["validation"][0].place == "tfds:mails dev 0"
    with pytest.raises(UserError, match=r"has no text '': its texts are body, more, title; --conf"):
        pairs("mails")
    with pytest.raises(UserError, match="has no text 'label'"):
        pairs("mails", "body", "label")
    monkeypatch.setattr(tfds.core.DatasetInfo, "supervised_keys", ("body", "title"))
    assert pairs("mails")["train"][0].fields["target"] == "a title"


def test_labels_have_the_names_of_their_classes_and_unknown_ones_are_left_out(tmp_path):
    """As in glue/sst2, whose test split has no labels, and imdb_reviews, which has a fourth."""
    features = {"sentence": tfds.features.Text(), "idx": tfds.features.Scalar(np.int32),
                "label": tfds.features.ClassLabel(names=["bad", "good"])}  # fmt: skip
    rows = [{"sentence": "fine", "idx": 7, "label": 1}, {"sentence": "né", "idx": 8, "label": 0}]
    unknown = [{**row, "label": -1} for row in rows]
    splits = {"train": rows, "dev": [*rows[:1], *unknown], "test": unknown, "unsupervised": rows}
    write_tfds(tmp_path, "reviews", features, splits)
    found = labelled("reviews", "text", "label")
    texts_of = {split: [one.fields for one in its] for split, its in found.items()}
    good, bad = {"label": "good", "text": "fine"}, {"label": "bad", "text": "né"}
    assert texts_of == {"train": [good, bad], "validation": [good]}
    assert found["validation"][0].place == "tfds:reviews dev 0"
    numbers = labelled("reviews", "text", "idx")["train"]
    assert [one.fields["label"] for one in numbers] == ["7", "8"]
    with pytest.raises(UserError, match="more than one label: idx, label"):
        labelled("reviews", "text", "stars")


def test_images_come_with_their_classes_and_0_and_1_are_ground_and_ink(tmp_path):
    """As in mnist, which has classes, and binarized_mnist, which has a validation split."""
    grey = np.random.default_rng(0).integers(0, 256, (5, 3, 4), np.uint8)
    write_grey_images(
        tmp_path, "digits", {"train": (grey, [3, 1, 4, 1, 5]), "test": (grey[:1], [9])}
    )
    found = images("digits")
    np.testing.assert_array_equal(found["train"][0], grey)
    assert {split: labels.tolist() for split, (_, labels) in found.items()} == {
        "train": [3, 1, 4, 1, 5], "test": [9],
    }  # fmt: skip
    write_grey_images(tmp_path, "binary", {"train": (grey % 2, None), "dev": (grey[:2] % 2, None)})
    found = images("binary")
    np.testing.assert_array_equal(found["train"][0], 255 * (grey % 2))
    np.testing.assert_array_equal(found["validation"][0], 255 * (grey[:2] % 2))
    assert found["train"][1].tolist() == [-1] * 5


def test_images_with_colours_or_of_several_sizes_are_refused(tmp_path):
    feature, wide = tfds.features.Image(shape=(None, None, 3)), np.zeros((2, 4, 3), np.uint8)
    one, two = ([{"image": as_png(wide[:, :n])} for n in sizes] for sizes in ([4], [4, 3]))
    write_tfds(tmp_path, "colours", {"image": feature}, {"train": one})
    with pytest.raises(UserError, match=r"colours, train: .*grey .* got uint8 \[2, 4, 3\]"):
        images("colours")
    write_tfds(tmp_path, "sizes", {"image": feature}, {"train": two})
    with pytest.raises(UserError, match=r"sizes, train: expected images of one size"):
        images("sizes")
    write_grey_images(tmp_path, "held_out", {"test": (wide[None, ..., 0], None)})
    with pytest.raises(UserError, match="tfds:held_out has no split train: test"):
        images("held_out")
