"""Examples from tables, JSON lines and parallel files, written here by hand."""

import csv
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.data.examples import read_examples, read_parallel
from rnnjax.errors import UserError

ROWS = [("1", "fine , fine", "x"), ("0", 'a "bad" one', ""), ("1", "né", "y")]
COLUMNS = {"text": "sentence", "label": "label"}


@pytest.fixture
def file(tmp_path):
    def write(name, content, encoding="utf-8"):
        path = tmp_path / name
        content = content.encode(encoding)
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return str(path)

    return write


def fields(examples):
    return [example.fields for example in examples]


def message(read, *arguments, **options):
    with pytest.raises(UserError) as error:
        read(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def as_text(kind, rows=ROWS, header=("label", "sentence", "more")):
    if kind == ".jsonl":
        return "".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in rows)
    rows = [header, *rows] if header else rows
    if kind == ".tsv":
        return "".join("\t".join(row) + "\n" for row in rows)
    quoted = (['"' + cell.replace('"', '""') + '"' for cell in row] for row in rows)
    return "".join(",".join(row) + "\n" for row in quoted)


@pytest.mark.parametrize("kind", [".tsv", ".csv", ".jsonl"])
@pytest.mark.parametrize(("end", "gz", "encoding"), [
    ("\n", "", "utf-8"), ("\r\n", ".gz", "utf-8"), ("\n\n", "", "latin-1"),
])  # fmt: skip
def test_columns_are_chosen_by_name(file, kind, end, gz, encoding):
    path = file(f"a{kind}{gz}", as_text(kind).replace("\n", end), encoding)
    examples = read_examples(path, COLUMNS, encoding=encoding)
    assert fields(examples) == [{"text": text, "label": label} for label, text, _ in ROWS]
    first = 1 if kind == ".jsonl" else 2
    step = len(end.replace("\r", ""))
    lines = [1 + step * (first - 1 + n) for n in range(3)]
    assert [example.place for example in examples] == [f"{path}:{line}" for line in lines]


@pytest.mark.parametrize("kind", [".tsv", ".csv"])
def test_columns_are_chosen_by_number(file, kind):
    path = file("a.txt", as_text(kind, header=None))
    expected = [{"text": text, "last": last} for _, text, last in ROWS]
    assert fields(read_examples(path, {"text": 1, "last": -1}, kind=kind)) == expected
    path = file(f"b{kind}", as_text(kind))
    assert fields(read_examples(path, {"text": "sentence", "last": -1})) == expected
    assert len(read_examples(path, {"text": 1})) == 4


def test_cells_of_a_csv_file_may_be_separated_by_semicolons(file):
    path = file("a.csv", 'label;text\n1;"a; b, c"\n2;d\n')
    assert fields(read_examples(path, {"t": "text"})) == [{"t": "a; b, c"}, {"t": "d"}]
    path = file("b.csv", "text,label;s\na;b,1\n")
    assert fields(read_examples(path, {"t": "text"})) == [{"t": "a;b"}]


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_csv_is_that_of_pythons_writer(tmp_path_factory, rows):
    rows = [[cell.replace("\r", "").replace("\0", "") for cell in row] for row in rows]
    path = tmp_path_factory.getbasetemp() / "written.csv"
    with open(path, "w", newline="", encoding="utf-8") as out:
        csv.writer(out, lineterminator="\n").writerows([["a", "b"], *rows])
    examples = read_examples(str(path), {"one": "a", "two": "b"})
    assert fields(examples) == [{"one": a, "two": b} for a, b in rows]
    lines = path.read_text(encoding="utf-8").split("\n")
    for example, (first, _) in zip(examples, rows, strict=True):
        line = lines[int(example.place.rpartition(":")[2]) - 1]
        assert line.removeprefix('"').startswith(first.split("\n")[0].replace('"', '""'))


def test_numbers_in_json_become_text(file):
    path = file("a.jsonl", '{"n": 1}\n{"n": 2.5}\n{"n": true}\n{"n": "x"}\n')
    assert [e.fields["n"] for e in read_examples(path, {"n": "n"})] == ["1", "2.5", "true", "x"]
    path = file("b.jsonl", '{"0": "a"}\n')
    assert fields(read_examples(path, {"n": 0})) == [{"n": "a"}]


def test_lines_of_white_space_are_skipped_in_csv_too(file):
    path = file("a.csv", "text,label\n\na,b\n  \nc,d\n")
    assert fields(read_examples(path, {"t": "text"})) == [{"t": "a"}, {"t": "c"}]
    path = file("b.csv", 'text\n \n""\nc\n')
    assert fields(read_examples(path, {"t": "text"})) == [{"t": ""}, {"t": "c"}]


@pytest.mark.parametrize(
    ("name", "content", "columns", "told"),
    [
        ("a.tsv", "label\ttext\n1\ta\n", {"t": "txt"}, ":1 has no column 'txt': did you mean 'te"),
        ("a.csv", "t,l,t\na,1,b\n", {"t": "t"}, ":1 names two columns 't': choose one by its"),
        ("a.tsv", "1\ta\n", {"t": 2}, ":1 has 2 columns: there is no column 2 (from 0)"),
        ("a.tsv", "1\ta\n", {"t": -3}, ":1 has 2 columns: there is no column -3"),
        ("a.tsv", "\n1\ta\n1\ta\tb\n", {"t": 0}, "a.tsv:3 has 3 columns, and "),
        ("a.csv", 'l,t\n"1\n",a\n1\n', {"t": "t"}, "a.csv:4 has 1 columns, and "),
        ("a.csv", 'l,t\n1,"a\n1,b\n', {"t": "t"}, ":2 is no CSV: unexpected end of data"),
        ("a.jsonl", '{"t": "a"}\n{"t"\n', {"t": "t"}, ":2 is no JSON: "),
        ("a.jsonl", "[1]\n", {"t": "t"}, ":1 holds list: expected a JSON object"),
        ("a.jsonl", '{"text": "a"}\n', {"t": "txt"}, ":1 has no 'txt': did you mean 'text'"),
        ("a.jsonl", '{"t": ["a"]}\n', {"t": "t"}, """:1: expected text in 't', got ["a"]"""),
        ("a.jsonl", '{"t": "a\\ud83d"}\n', {"t": "t"}, ":1 has half of a surrogate pair in 't'"),
        ("a.jsonl", '{"t": null}\n', {"t": "t"}, ":1: expected text in 't', got null"),
        ("a.jsonl", " \n", {"t": "t"}, "a.jsonl has no examples"),
        ("a.csv", "l,t\n", {"t": "t"}, "a.csv has no examples"),
        ("a.txt", "x", {"t": 0}, "expected a name that ends in .tsv, .csv, .jsonl (or .gz)"),
        ("a.tsv", "a\0", {"t": 0}, "a.tsv is not text"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(file, name, content, columns, told):
    path = file(name, content)
    said = message(read_examples, path, columns)
    assert said.startswith(path)
    assert told in said


def test_parallel_lines_belong_together(file):
    one = file("a.de", "ja\n\nnein\n")
    two = file("a.en.gz", "yes\r\n\r\nno")
    examples = read_parallel({"source": one, "target": two})
    assert fields(examples) == [
        {"source": "ja", "target": "yes"},
        {"source": "", "target": ""},
        {"source": "nein", "target": "no"},
    ]
    assert [example.place for example in examples] == [f"{one}:{n}" for n in (1, 2, 3)]


def test_parallel_files_of_unequal_length(file):
    one, two = file("a.de", "ja\nnein\n"), file("a.en", "yes\nno\nmaybe\nnever\n")
    for paths in ({"source": one, "target": two}, {"source": two, "target": one}):
        assert message(read_parallel, paths) == (
            f"{two} has 4 lines and {one} 2: {two}:3 has no partner"
        )
    empty = file("b", "")
    assert message(read_parallel, {"source": empty, "target": empty}) == f"{empty} has no examples"
    assert f"{one}:1 has no partner" in message(read_parallel, {"source": empty, "target": one})
