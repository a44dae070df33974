"""Labelled texts of files, folders and one file."""

import functools
import json

import pytest

from rnnjax.data import tfds
from rnnjax.data.examples import Example
from rnnjax.data.labelled import classes_of
from rnnjax.errors import UserError
from rnnjax.tasks.sentiment.config import SentimentConfig
from rnnjax.tasks.sentiment.labelled_texts import load_texts
from rnnjax.tasks.sentiment.preparation import prepare

TEXTS = [("good", "A fine day"), ("bad", 'It "rained", alas'), ("good", "Sun again")]


def texts_at(source, **settings):
    return load_texts(SentimentConfig(data=str(source), **settings))


def in_kim_format(path, rows):
    path.write_text("".join(f"{label} {text}\n" for label, text in rows))


def in_tsv(path, rows):
    path.write_text("id\tmood\tbody\n" + "".join(f"7\t{a}\t{b}\n" for a, b in rows))


def in_csv(path, rows):
    quoted = ((a, b.replace('"', '""')) for a, b in rows)
    path.write_text("body,mood\n" + "".join(f'"{b}",{a}\n' for a, b in quoted))


def in_jsonl(path, rows):
    path.write_text("".join(json.dumps({"mood": a, "body": b}) + "\n" for a, b in rows))


@pytest.mark.parametrize(
    ("suffix", "write"), [("kim", in_kim_format), ("tsv", in_tsv), ("csv", in_csv),
                          ("jsonl", in_jsonl)],
)  # fmt: skip
def test_files_of_each_format_hold_the_same_texts(tmp_path, suffix, write):
    for split in ("train", "dev"):
        write(tmp_path / f"mine.{split}.{suffix}", TEXTS)
    (tmp_path / "README").write_text("nothing")
    splits = texts_at(tmp_path, text_column="body", label_column="mood")
    assert list(splits) == ["train", "validation"]
    for examples in splits.values():
        assert [(one.fields["label"], one.fields["text"]) for one in examples] == TEXTS


def test_columns_may_be_numbers(tmp_path):
    (tmp_path / "train.tsv").write_text("3\tzoo\tGood\n1\tzoo\tBad\n")
    (tmp_path / "dev.tsv").write_text("1\tzoo\tBad too\n")
    splits = texts_at(tmp_path, text_column="-1", label_column="0")
    assert splits["train"][0].fields == {"label": "3", "text": "Good"}


def test_the_folds_of_one_file_test_each_text_once(tmp_path):
    in_kim_format(tmp_path / "all.txt", [(n % 2, f"text {n}") for n in range(47)])
    tested = []
    for fold in range(10):
        splits = texts_at(tmp_path / "all.txt", fold=fold)
        places = {split: {one.place for one in its} for split, its in splits.items()}
        assert sum(map(len, places.values())) == len(set().union(*places.values())) == 47
        assert {len(places["validation"]), len(places["test"])} <= {4, 5}
        tested += places["test"]
    assert len(tested) == len(set(tested)) == 47


def test_a_data_set_without_validation_gives_a_tenth_of_training(monkeypatch):
    rows = [Example({"label": str(n % 2), "text": f"text {n}"}, f"{n}") for n in range(40)]
    monkeypatch.setattr(tfds, "labelled", lambda *_: {"train": rows, "test": rows[:2]})
    by_place = functools.partial(sorted, key=lambda one: one.place)
    drawn = [texts_at("tfds:reviews", fold=fold) for fold in range(10)]
    for splits in drawn:
        assert by_place([*splits["train"], *splits["validation"]]) == by_place(rows)
        assert splits["test"] == rows[:2]
    held_out = [one for splits in drawn for one in splits["validation"]]
    assert by_place(held_out) == by_place(rows)
    empty = [*rows, Example({"label": "1", "text": " "}, "tfds:reviews train 40")]
    monkeypatch.setattr(tfds, "labelled", lambda *_: {"train": empty, "test": rows[:2]})
    with pytest.raises(UserError, match="tfds:reviews train 40: the text is empty"):
        texts_at("tfds:reviews")
    monkeypatch.setattr(tfds, "labelled", lambda *_: {"test": rows})
    with pytest.raises(UserError, match="tfds:reviews has no train split with labels"):
        texts_at("tfds:reviews")


def test_classes_are_sorted_by_value_where_they_are_numbers(tmp_path):
    in_kim_format(tmp_path / "train", [(n, "text") for n in (10, 9, -1, 2)])
    in_kim_format(tmp_path / "dev", [(9, "text")])
    assert classes_of(texts_at(tmp_path)["train"]) == ("-1", "2", "9", "10")
    in_kim_format(tmp_path / "train", [(n, "text") for n in (10, 9, "b")])
    assert classes_of(texts_at(tmp_path)["train"]) == ("10", "9", "b")
    in_kim_format(tmp_path / "train", [(f"{'0' * n}9", "text") for n in range(6)])  # in a set
    assert classes_of(texts_at(tmp_path)["train"]) == tuple(f"{'0' * n}9" for n in range(5, -1, -1))


@pytest.mark.parametrize(
    ("others", "told"),
    [(["n/a"], "n/a"), (["9", "0"], "0, 9"), ([], ""), (["6", "7", "8", "9", "10"], "")],
)
def test_labels_besides_five_stars_are_named(tmp_path, others, told):
    for split in ("train", "dev"):
        in_tsv(tmp_path / f"{split}.tsv", [(n, "text text") for n in [*"12345", *others]])
    found = prepare(SentimentConfig(data=str(tmp_path), text_column="body", label_column="mood"))
    line = f"classes besides 1 to 5 stars: {told}, first {tmp_path}/train.tsv:7."
    assert (line in found.description) == bool(told)
    assert ("besides" in found.description) == bool(told)


@pytest.mark.parametrize(
    ("files", "columns", "words"),
    [
        ({"test": "1 fine\n2 hm\n"}, {}, r"test:2 has the label '2', and no training text .*test"),
        ({"dev": "1 fine\n0\n"}, {}, r"dev:2: the text is empty"),
        ({"train": "1 a\n1 b\n"}, {}, "all training texts have the label '1': expected two"),
        ({"train": "1 a\0b\n0 c\n"}, {}, r"train is not text: character 3 is NUL"),
        ({"train": ""}, {}, "train has no texts"),
        (
            {"train.tsv": "text\tstars\na\t1\n"},
            {},
            r"train.tsv:1 has no column 'label': Valid: stars, text. \(--config.label_column\)",
        ),
        (
            {"train.tsv": "body\tlabel\na\t1\n"},
            {},
            r"train.tsv:1 has no column 'text': Valid: body, label. \(--config.text_column\)",
        ),
        (
            {"train.jsonl": '{"label": 1, "text": "a"}\n{"label": null, "text": "b"}\n'},
            {},
            r"train.jsonl:2: expected text in 'label', got null",
        ),
        ({"train.tsv": "text\tlabel\na\t1\n \t0\n"}, {}, r"train.tsv:3: the text is empty"),
        ({"train.tsv": "text\tlabel\na\t1\nb\t\n"}, {}, r"train.tsv:3: the label is empty"),
    ],
)
def test_files_that_cannot_be_used_are_named(tmp_path, files, columns, words):
    if not any(name.startswith("train") for name in files):
        (tmp_path / "train").write_text("1 good\n0 bad\n")
    if "dev" not in files:
        (tmp_path / "dev").write_text("1 good\n")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        texts_at(tmp_path, **columns)
    assert "\n" not in str(caught.value)


def test_too_few_texts_to_divide(tmp_path):
    in_kim_format(tmp_path / "few.txt", TEXTS)
    with pytest.raises(UserError, match=r"few\.txt has 3 texts: expected 10 or more"):
        texts_at(tmp_path / "few.txt")


def test_words_are_known_from_min_count_on_and_those_with_vectors(tmp_path):
    in_kim_format(tmp_path / "train", [(1, "Good GOOD day"), (0, "bad day , sir")])
    in_kim_format(tmp_path / "dev", [(1, "A good night")])
    (tmp_path / "vectors.txt").write_text("night 1 2\nsir 3 4\nelsewhere 5 6\n")
    config = SentimentConfig(data=str(tmp_path), min_count=2)
    known = prepare(config).vocabulary.symbols[3:]
    assert known == ("day", "good")
    made = prepare(SentimentConfig(**{**vars(config), "vectors": str(tmp_path / "vectors.txt")}))
    assert made.vocabulary.symbols[3:] == ("day", "good", "night", "sir")
    assert made.vocabulary.labels == ("0", "1")
    assert "2 of 4 words (50.0%) have pretrained vectors" in made.description
    assert "unknown: 28.6% of train, 33.3% of validation." in made.description


def test_words_are_dropped_at_their_rate_and_never_in_validation(tmp_path):
    in_kim_format(tmp_path / "train", [(n % 2, "a b c d e f g h i j") for n in range(40)])
    in_kim_format(tmp_path / "dev", [(1, "a b c d e f g h i j")])
    made = prepare(SentimentConfig(data=str(tmp_path), word_dropout=0.3, batch_size=40))
    dropped = [(made.batches[epoch]["words"] == 2).mean() for epoch in range(5)]
    assert abs(sum(dropped) / 5 - 0.3) < 0.05  # 2,000 words: a standard deviation of 0.01
    assert len(set(dropped)) > 1
    (batch,) = made.validation
    assert (batch["words"][:, 0] > 2).all()
