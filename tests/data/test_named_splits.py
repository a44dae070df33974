"""Which file of a folder is which split, for every kind of source that has several files."""

import gzip
import shutil
from pathlib import Path

import pytest

from rnnjax.data import load
from rnnjax.data.named_splits import SPLIT_OF_WORD, by_name, split_files, split_of
from rnnjax.errors import UserError
from tests.data.test_bad_data import message

TRAIN, VALID, TEST = "the cat sat.\n" * 9, "a dog ran.\n" * 3, "TEST zzz qqq.\n" * 2


def write(folder, **files):
    """Files by name: `__` for a dot, `_IN_` for a folder's slash."""
    for name, text in files.items():
        path = folder / name.replace("__", ".").replace("_IN_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(folder)


def texts(corpus):
    return {split: corpus.vocabulary.decode(ids) for split, (ids, _) in corpus.splits.items()}


def origin(corpus):
    return corpus.describe().partition("; vocabulary")[0]


@pytest.mark.parametrize(
    "names",
    [
        ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
        ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"),
        ("training.txt", "dev.txt", "TEST.txt"),
        ("eng.train", "eng.testa", "eng.testb"),
        ("train.txt", "val.txt", "test.txt"),
        ("train/a.txt", "valid/a.txt", "test/a.txt"),
        ("sub/train.txt", "sub/validation.txt", "sub/test.txt"),
    ],
)
def test_text_of_a_test_file_is_never_trained_on(tmp_path, names):
    for name, text in zip(names, (TRAIN, VALID, TEST), strict=True):
        write(tmp_path, **{name.replace("/", "_IN_"): text})
    write(tmp_path, README__md="about the train and test files", LICENSE="free")
    corpus = load(str(tmp_path))
    splits = texts(corpus)
    assert list(splits) == ["train", "validation", "test"]
    assert splits["train"] == TRAIN
    assert set(corpus.vocabulary.symbols[1:]) == set(TRAIN)
    assert splits["validation"][0] == "a"
    assert len(splits["test"]) == len(TEST)
    train, valid, test = (Path(name).name for name in names)
    assert origin(corpus) == (
        f"{tmp_path}: train from {train}, validation from {valid}, test from {test}"
    )


def test_all_files_below_a_folder_that_says_a_split_are_of_it(tmp_path):
    folder = write(
        tmp_path, train_IN_b__txt="two", train_IN_x_IN_a_test__txt="three", train_IN_a__txt="one",
        dev_IN_a__txt="own", old_dev_IN_empty="",
    )  # fmt: skip
    shutil.rmtree(tmp_path / "old_dev")
    (tmp_path / "old_dev").mkdir()
    corpus = load(folder)
    assert texts(corpus)["train"] == "onetwothree"
    assert origin(corpus) == (
        f"{tmp_path}: train from 3 files in {tmp_path}/train, validation from a.txt"
    )


def test_validation_is_held_out_of_training_where_it_has_no_file(tmp_path):
    folder = write(tmp_path, train__txt=TRAIN, test__txt=TEST)
    corpus = load(folder, valid_fraction=0.25)
    assert "".join(texts(corpus)[split] for split in ("train", "validation")) == TRAIN
    assert origin(corpus) == (
        f"{folder}: train from train.txt, test from test.txt, 25% of the training text held out "
        f"for validation"
    )
    assert "held out" not in load(folder, valid_fraction=0).describe()


def test_other_files_are_left_alone_and_named(tmp_path):
    folder = write(tmp_path, train__txt=TRAIN, dev__txt=VALID, notes__txt="no", more_IN_a="no",
                   SOURCE__txt="no", __hidden="no")  # fmt: skip
    corpus = load(folder)
    assert texts(corpus)["train"] == TRAIN
    assert origin(corpus).endswith("validation from dev.txt, left alone as of no split: more, "
                                   "notes.txt")  # fmt: skip
    write(tmp_path, **{f"more{n}": "no" for n in range(9)})
    assert load(folder).describe().count("more") == 5


def test_a_folder_without_such_names_is_pooled_and_says_so(tmp_path):
    folder = write(tmp_path, **{f"trained{n}__txt": TRAIN for n in range(10)}, latest__md=TEST)
    corpus = load(folder)
    assert origin(corpus) == f"{folder}: 11 files pooled, 10% of the text held out for validation"
    assert origin(load(f"{folder}/*.md")) == (
        f"{folder}/*.md: 1 file pooled, 10% of the text held out for validation"
    )
    assert origin(load(f"{folder}/latest.md")) == load(f"{folder}/latest.md").describe().partition(
        "; vocabulary")[0]  # fmt: skip
    assert load(f"{folder}/latest.md").origin == ""


def test_paths_are_named_one_by_one(tmp_path):
    write(tmp_path, a_IN_1="one ", a_IN_2="two ", b__txt=VALID)
    (tmp_path / "c.gz").write_bytes(gzip.compress(TEST.encode()))
    corpus = load(f"test={tmp_path}/c.gz,train={tmp_path}/a,validation={tmp_path}/b.*")
    assert list(corpus.splits) == ["train", "validation", "test"]
    assert texts(corpus)["train"] == "one two "
    assert origin(corpus) == (
        f"train from 2 files in {tmp_path}/a, validation from b.txt, test from c.gz"
    )
    assert "validation" in load(f"train={tmp_path}/a").splits
    assert "names no train file: add ,train=PATH" in message(f"test={tmp_path}/c.gz")
    assert f"{tmp_path}/d does not exist" in message(f"train={tmp_path}/d")
    everything = load(f"train={tmp_path}/**/*", valid_fraction=0)
    assert texts(everything)["train"].startswith("one two ")


def test_names_that_do_not_say_which_split_is_for_training(tmp_path):
    folder = write(tmp_path, test__txt=TEST, valid__txt=VALID, a__txt=TRAIN)
    told = message(folder)
    assert told.startswith(f"{folder} has no train file: looked for a name with train or training")
    assert told.endswith(f"among a.txt, test.txt, valid.txt; train={folder} takes all for training")
    assert list(load(f"train={folder}").splits) == ["train", "validation"]
    write(tmp_path, train__txt=TRAIN, train_IN_a=TRAIN)
    assert f"two files for the split train: {folder}/train and {folder}/train.txt: " in (
        message(folder)
    )
    (tmp_path / "train.txt").rename(tmp_path / "train-test.txt")
    assert f"{folder}/train-test.txt may be the train or the test split" in message(folder)


@pytest.mark.parametrize(
    "names", [("a_IN_train", "a_IN_test"), ("a_IN_train_IN_x", "a_IN_dev_IN_y")]
)
def test_splits_deeper_down_and_in_globs_are_not_pooled(tmp_path, names):
    folder = write(tmp_path, **dict.fromkeys(names, TRAIN), other__txt=TRAIN)
    told = message(folder)
    assert f"{folder} has files of train and " in told
    assert f" in {folder}/a: name that folder or the files (train=PATH," in told
    assert "has files of train and" in message(f"{folder}/**/*")
    assert next(iter(load(f"{folder}/a").splits)) == "train"


def test_a_glob_of_one_split_is_pooled(tmp_path):
    folder = write(tmp_path, a_IN_train__txt=TRAIN, b_IN_train__txt=TRAIN, b_IN_test__txt=TEST)
    assert "2 files pooled" in load(f"{folder}/*/train*").describe()
    assert "test" not in load(f"{folder}/*/train*").splits


def test_binary_files_say_no_split_of_a_text(tmp_path):
    folder = write(tmp_path, input__txt=TRAIN, train__bin="\0\1", val__bin="\0\2")
    assert "1 file pooled" in load(folder).describe()
    assert texts(load(folder, level="byte"))["validation"] == "\0\2"


def test_words_that_say_a_split():
    names = {
        "train": "x.train trainImages.txt TRAIN_2 wnut17train.conll train2014 x-training-1.bio",
        "validation": "emerging.dev.conll devel.tsv eng.testa Valid.txt x-development-1.bio val",
        "test": "emerging.test.annotated eng.testb TEST.txt x-test-1.bio",
        None: "trains latest contest devices README.train .train validated LICENSE-dev constraint",
    }
    for split, those in names.items():
        assert {split_of(Path(name)) for name in those.split()} == {split}
    assert {word: split_of(Path(word)) for word in SPLIT_OF_WORD} == SPLIT_OF_WORD


def test_other_tasks_need_a_validation_split_and_do_not_pool(tmp_path):
    folder = write(tmp_path, train=TRAIN, x=TRAIN)
    told = "has no validation file: looked for a name with valid or.*\\(train=PATH,validation=PATH"
    with pytest.raises(UserError, match=told):
        split_files(folder)
    assert by_name(tmp_path, sorted(tmp_path.iterdir())).left_alone == ["x"]
    with pytest.raises(UserError, match="is one file: expected a folder, train=PATH"):
        split_files(f"{folder}/x")
