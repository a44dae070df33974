"""Tagged sentences in TFDS's own prepared format."""

import sys

import pytest
import tensorflow_datasets as tfds

from rnnjax.errors import UserError
from rnnjax.tasks.tagging.config import TaggingConfig
from rnnjax.tasks.tagging.corpora import load_tagged
from tests.data.prepared_tfds import write_tfds

NER = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
SPLITS = {
    "train": [(["Zoë", "Smith", "left"], ["B-PER", "I-PER", "O"]), (["Rome"], ["B-LOC"])],
    "dev": [(["Ada"], ["B-PER"])],
    "test": [(["in", "Rome"], ["O", "B-LOC"])],
}


def prepare(data_dir, name, splits, labels=None, tokens=("tokens",)):
    """Writes {split: [(tokens, tags)]}; `labels`: {feature: its class names}, all with the tags."""
    labels = labels or {"ner": NER}
    features = {key: tfds.features.Sequence(tfds.features.Text()) for key in tokens}
    features["id"] = tfds.features.Text()
    for key, names in labels.items():
        features[key] = tfds.features.Sequence(tfds.features.ClassLabel(names=names))
    rows = {
        split: [
            {"id": "x"} | dict.fromkeys(tokens, words) | dict.fromkeys(labels, tags)
            for words, tags in examples
        ]
        for split, examples in splits.items()
    }
    write_tfds(data_dir, name, features, rows)


def load(source, data_dir, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.core.constants, "DATA_DIR", str(data_dir))
        return load_tagged(TaggingConfig(data=source, **options))


def message(source, data_dir, **options):
    with pytest.raises(UserError) as error:
        load(source, data_dir, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("validation", ["dev", "valid", "validation"])
def test_splits_are_read_without_tensorflow(tmp_path, validation):
    splits = {"test": SPLITS["test"], validation: SPLITS["dev"], "train": SPLITS["train"],
              "unlabelled": [(["x"], ["O"])]}  # fmt: skip
    prepare(tmp_path, "conll2003", splits)
    corpus = load("tfds:conll2003", tmp_path)
    assert {
        split: [(list(s.tokens), list(s.tags)) for s in part]
        for split, part in corpus.splits.items()
    } == {"train": SPLITS["train"], "validation": SPLITS["dev"], "test": SPLITS["test"]}
    assert list(corpus.splits) == ["train", "validation", "test"]
    assert corpus.splits["train"][1].source == "tfds:conll2003 train 1"
    assert corpus.types == ("LOC", "PER")
    assert "tensorflow" not in sys.modules


def test_the_feature_is_chosen_by_name(tmp_path):
    chunks = ("O", "B-NP", "I-NP", "B-VP", "I-VP")
    part_of_speech = ("NN", "VB", "IN", "DT", "JJ")
    examples = [(["a", "b"], [1, 2])]
    splits = {"train": examples, "validation": examples}
    prepare(tmp_path, "three", splits, {"chunks": chunks, "ner": NER, "pos": part_of_speech})
    prepare(tmp_path, "two", splits, {"chunks": chunks, "tags": NER})
    prepare(tmp_path, "one", splits, {"pos": part_of_speech, "tags": NER})
    for source, kind in [("three", "PER"), ("three:chunks", "NP"), ("two:tags", "PER"),
                         ("three:1.0.0:chunks", "NP"), ("one", "PER")]:  # fmt: skip
        corpus = load(f"tfds:{source}", tmp_path)
        assert corpus.splits["train"][0].tags == (f"B-{kind}", f"I-{kind}")
    told = message("tfds:two", tmp_path)
    assert "more than one sequence of class labels such as B-PER: chunks, tags; choose" in told
    assert "--config.data=tfds:two:FEATURE" in told
    told = message("tfds:three:pos", tmp_path)
    assert "no sequence of class labels such as B-PER called 'pos'" in told
    assert "Valid: chunks, ner." in told


def test_tokens_are_the_only_sequence_of_texts_or_the_one_of_that_name(tmp_path):
    splits = {"train": SPLITS["train"], "validation": SPLITS["dev"]}
    prepare(tmp_path, "words", splits, tokens=("words",))
    prepare(tmp_path, "both", splits, tokens=("lemmas", "tokens"))
    prepare(tmp_path, "neither", splits, tokens=("lemmas", "words"))
    prepare(tmp_path, "none", splits, tokens=())
    for name in ("words", "both"):
        assert load(f"tfds:{name}", tmp_path).splits["validation"][0].tokens == ("Ada",)
    assert "more than one sequence of texts: lemmas, words" in message("tfds:neither", tmp_path)
    assert "tfds:none has no sequence of texts" in message("tfds:none", tmp_path)


def test_a_missing_split(tmp_path):
    prepare(tmp_path, "half", {"train": SPLITS["train"], "test": SPLITS["test"]})
    assert "tfds:half has no validation split" in message("tfds:half", tmp_path)


@pytest.mark.parametrize(
    ("example", "told"),
    [
        (([], []), "tfds:odd train 1: 0 tokens in 'tokens' and 0 tags in 'ner'"),
        ((["a"], ["O", "O"]), "tfds:odd train 1: 1 tokens in 'tokens' and 2 tags in 'ner'"),
        ((["a"], [-1]), r"tfds:odd train 1 has a token without a tag \(class -1\)"),
    ],
)
def test_an_example_that_is_no_sentence(tmp_path, example, told):
    prepare(tmp_path, "odd", {"train": [SPLITS["train"][0], example], "dev": SPLITS["dev"]})
    with pytest.raises(UserError, match=told):
        load("tfds:odd", tmp_path)


def test_a_fault_is_named_by_its_example_and_token(tmp_path):
    wrong = (["Ada", "in", "Rome"], ["B-PER", "O", "I-LOC"])
    prepare(tmp_path, "faulty", {"train": [*SPLITS["train"], wrong], "dev": SPLITS["dev"]})
    assert load("tfds:faulty", tmp_path).repaired == 1
    told = message("tfds:faulty", tmp_path, strict=True)
    assert "tfds:faulty train 2, token 3 ('Rome'): 'I-LOC' may not follow 'O'" in told
