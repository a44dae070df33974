"""CSV files: how they are read, cut and drawn, and what is refused."""

import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.series.config import SeriesConfig
from rnnjax.tasks.series.sources import load_source
from rnnjax.tasks.series.tables import read_table


def saved(folder, text, name="data.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def rows(count, seed=0):
    """A file with a date, a row number, two columns of numbers and one of words."""
    values = np.random.default_rng(seed).normal(size=(count, 2)).round(3)
    lines = [f"2020-{n},{n},{x},{y},w{n}" for n, (x, y) in enumerate(values)]
    return "\n".join(["date,row,x,y,word", *lines]), values


def labelled(sizes, classes="ab"):
    """Series s0, s1, ... of so many rows; their classes take turns."""
    lines = [
        f"s{n},{classes[n % len(classes)]},{n + 0.5 ** t}"
        for n, size in enumerate(sizes) for t in range(size)
    ]  # fmt: skip
    return "\n".join(["id,kind,x", *lines])


CLASSIFY = {"series": "id", "label": "kind"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_cells_are_separated_by_what_divides_the_header(tmp_path, delimiter):
    path = saved(tmp_path, delimiter.join(["\ufeffa", '"b,;"', ""]) + "\n"
                 + delimiter.join(["1.5", "nan", "2e3"]) + "\r\n"
                 + delimiter.join(["-2", "7", "NA"]))  # fmt: skip
    table = read_table(path)
    assert table.names == ["a", "b,;", "column 3"]
    np.testing.assert_array_equal(table.numbers("a"), [1.5, -2])
    np.testing.assert_array_equal(table.numbers("b,;"), [np.nan, 7])
    np.testing.assert_array_equal(table.numbers("column 3"), [2000, np.nan])


def test_a_series_is_cut_by_time_and_time_itself_is_left_out(tmp_path):
    text, values = rows(20)
    source = load_source(SeriesConfig(data=saved(tmp_path, text)))
    assert (source.inputs, source.target) == (("x", "y"), "y")
    assert "left out: date (not numbers), row (evenly ascending), word (not numbers)" in source.note
    cuts = {split: [(s.first, s.end) for s in its] for split, its in source.splits.items()}
    assert cuts == {"train": [(0, 14)], "validation": [(14, 17)], "test": [(17, 20)]}
    for (series,) in source.splits.values():
        np.testing.assert_array_equal(series.values, values)
    named = load_source(SeriesConfig(data=saved(tmp_path, text), inputs="row,x", target="x"))
    (series,) = named.splits["test"]
    np.testing.assert_array_equal(series.values, np.column_stack([np.arange(20), values[:, 0]]))


def test_a_column_that_alone_ascends_is_a_series(tmp_path):
    source = load_source(SeriesConfig(data=saved(tmp_path, "level\n1\n2\n3")))
    assert source.inputs == ("level",)


def test_series_of_one_file_may_take_turns_and_are_cut_one_by_one(tmp_path):
    text = "id,x\n" + "".join(f"a,{n}\nb,{-n * n}\n" for n in range(20))
    source = load_source(SeriesConfig(data=saved(tmp_path, text), series="id"))
    a, b = source.splits["validation"]
    assert (a.name, a.place.rpartition(":")[2], a.first, a.end) == ("a", "2", 14, 17)
    np.testing.assert_array_equal(b.values[:, 0], -(np.arange(20.0) ** 2))


def test_each_series_is_drawn_for_one_split_and_each_class_for_all(tmp_path):
    text = labelled([3] * 40)
    splits = load_source(SeriesConfig(data=saved(tmp_path, text), **CLASSIFY)).splits
    names = {split: {s.name for s in its} for split, its in splits.items()}
    assert sum(map(len, names.values())) == 40 == len(set.union(*names.values()))
    for split, of_class in {"train": 14, "validation": 3, "test": 3}.items():
        labels = [series.label for series in splits[split]]
        assert (labels.count("a"), labels.count("b")) == (of_class, of_class)
    for series in splits["test"]:
        assert series.label == "ab"[int(series.name[1:]) % 2]


def test_names_of_files_say_the_splits(tmp_path):
    for name, seed in {"train": 1, "dev": 2, "test": 3}.items():
        saved(tmp_path, rows(5, seed)[0], f"{name}.csv")
    splits = load_source(SeriesConfig(data=str(tmp_path))).splits
    for split, seed in {"train": 1, "validation": 2, "test": 3}.items():
        (series,) = splits[split]
        assert (series.first, series.end) == (0, 5)
        np.testing.assert_array_equal(series.values, rows(5, seed)[1])


@pytest.mark.parametrize(
    ("text", "flags", "words"),
    [
        ("", {}, "data.csv is empty: expected a CSV file with a header"),
        ("\n\n", {}, "data.csv is empty"),
        ("a,b\n", {}, "data.csv has a header and no rows"),
        ("1.5,2\n3,4", {}, "data.csv:1 has no header: expected names of columns, got '1.5'"),
        ("a,b,a\n1,2,3", {}, "data.csv:1 names two columns 'a'"),
        ("a,b\n1,2\n3", {}, "data.csv:3 has 1 cells, and the header 2"),
        ("a,b\nx,y", {}, "data.csv has no column of numbers: its columns are a, b"),
        ("a,b\n1,2", {"target": "c"}, "data.csv has no column 'c': Valid: a, b."),
        ("a,bc\n1,2", {"inputs": "a,bd"}, "no column 'bd': did you mean 'bc'? Valid: a, bc."),
        ("a,b\n1,2\n3,x", {}, "data.csv:3, column 'b': 'x' is not a number"),
        ("a;b\n2,5;1", {}, "'2,5' is not a number; a number is written like 1234.5"),
        ('a,b\n"1,234",1', {}, "data.csv:2, column 'a': '1,234' is not a number"),
        ("day,b\n2024-12-31,1\n2024-12-30,2", {}, "data.csv: 'day' descends: expected the rows in"),
        ("year,b\n2002,1\n2001,2\n2000,4", {"target": "b"}, "'year' descends"),
        ("a\n1\n1_0", {}, "data.csv:3, column 'a': '1_0' is not a number"),
        ("a,b\n1,2\n-inf,2", {}, "data.csv:3, column 'a': '-inf' is infinite"),
        ("id,kind,x\ns,a,1\ns,b,2", CLASSIFY, "data.csv:3: the series 's' has the label 'b' here"),
        ("id,kind,x\ns,a,1\n,a,2", CLASSIFY, "data.csv:3 has no value in the column 'id'"),
        ("id,kind,x\ns,,1", CLASSIFY, "data.csv:2 has no value in the column 'kind'"),
        (
            labelled([2] * 9, "a"),
            CLASSIFY,
            "data.csv: all training sequences have the label 'a': expected two",
        ),
        (labelled([2] * 4), CLASSIFY, "too few series for a validation split"),
        ("id,kind,x\ns,a,1", {**CLASSIFY, "inputs": "kind"}, "'kind' names series or classes"),
    ],
)
def test_what_cannot_be_used_is_named_with_file_line_and_column(tmp_path, text, flags, words):
    with pytest.raises(UserError) as told:
        load_source(SeriesConfig(data=saved(tmp_path, text), **flags))
    assert words in str(told.value)
    assert "\n" not in str(told.value)


def test_a_class_that_only_the_test_has_is_named(tmp_path):
    for name, classes in {"train": "ab", "valid": "ab", "test": "abc"}.items():
        saved(tmp_path, labelled([2] * 6, classes), f"{name}.csv")
    with pytest.raises(
        UserError, match=r"test.csv:6 has the label 'c', .*\(this is the test split\).*Valid: a, b"
    ):
        load_source(SeriesConfig(data=str(tmp_path), **CLASSIFY))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"horizon": 0}, "--config.horizon is 1 or more; got 0"),
        ({"window": 0}, "--config.window is 1 or more; got 0"),
        ({"label": "kind"}, "--config.label needs --config.series=COLUMN"),
        ({**CLASSIFY, "target": "x"}, "--config.target is to forecast"),
    ],
)
def test_settings_that_cannot_work_are_refused(flags, words):
    with pytest.raises(UserError, match=words):
        SeriesConfig(**flags).validate()
