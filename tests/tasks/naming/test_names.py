"""Where names come from, how they are divided, and what is refused."""

import gzip
import json
import unicodedata

import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.naming import names
from rnnjax.tasks.naming.config import NamingConfig
from rnnjax.tasks.naming.names import Name, class_counts, load_names
from rnnjax.tasks.naming.preparation import END, name_examples, prepare, vocabulary_of

ROWS = [(f"name{n}", "ab"[n % 2]) for n in range(20)]


def tsv(path, rows=ROWS, head="name\tclass\n"):
    path.write_text(head + "".join("\t".join(row) + "\n" for row in rows))
    return str(path)


def everything(found):
    return sorted((name.text, name.label) for part in found.splits.values() for name in part)


def test_the_embedded_names_are_those_of_faker():
    from faker.providers.person.he_IL import Provider

    found = load_names(NamingConfig())
    counts = class_counts(found.splits)
    assert tuple(counts) == names.LOCALES
    held = {text for text, label in everything(found) if label == "he_IL"}
    assert held == {" ".join(text.split()) for text in Provider.last_names}
    assert all(
        name.text == unicodedata.normalize("NFC", name.text)
        for part in found.splits.values()
        for name in part
    )
    sizes = {split: len(part) for split, part in found.splits.items()}
    assert 0.78 < sizes["train"] / sum(sizes.values()) < 0.82
    assert found.describe().startswith("family names of Faker ")


def test_identifiers_without_faker(monkeypatch):
    monkeypatch.setattr(names, "_version_of_faker", lambda: "")
    found = load_names(NamingConfig())
    assert "Faker is not installed" in found.describe().splitlines()[0]
    assert list(class_counts(found.splits)) == ["class", "constant", "function", "module"]
    held = everything(found)
    assert len(held) == len(set(held)) > 5000
    for pair in [
        ("OrderedDict", "class"), ("urlopen", "function"), ("json", "module"), ("copy", "module"),
        ("copy", "function"), ("DEFAULT_PROTOCOL", "constant"),
    ]:  # fmt: skip
        assert pair in held, pair


def test_a_name_of_several_classes_is_in_one_split(tmp_path):
    rows = [(f"n{n}", label) for n in range(40) for label in "ab"]
    found = load_names(NamingConfig(data=tsv(tmp_path / "names.tsv", rows)))
    assert everything(found) == sorted(rows)
    texts = [{name.text for name in part} for part in found.splits.values()]
    assert [len(part) for part in texts] == [32, 4, 4]
    assert sum(map(len, texts)) == len(set.union(*texts))
    assert "40 of 40 names stand in several classes" in found.describe()


def test_each_class_has_a_training_name(tmp_path):
    rows = [(f"n{n}", f"class{n}") for n in range(30)]
    config = NamingConfig(data=tsv(tmp_path / "names.tsv", rows))
    found = load_names(config)
    assert len(class_counts(found.splits)) == 30
    assert everything(found) == sorted(rows)
    with pytest.raises(UserError, match="no name is left for validation, as 30 classes need those"):
        prepare(config)


def test_columns_are_found_in_every_format(tmp_path):
    expected = everything(load_names(NamingConfig(data=tsv(tmp_path / "a.tsv"))))
    assert expected == sorted(ROWS)
    (tmp_path / "a.csv").write_text("".join(f'{label},"{text}"\n' for text, label in ROWS))
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"who": t, "where": c}) + "\n" for t, c in ROWS)
    columns = {"a.csv": ("1", "0"), "a.jsonl.gz": ("who", "where")}
    for file, (name, label) in columns.items():
        config = NamingConfig(data=str(tmp_path / file), name_column=name, class_column=label)
        assert everything(load_names(config)) == expected, file


def test_without_classes_names_have_none(tmp_path):
    (tmp_path / "names.tsv").write_text("name\n" + "".join(f"n{n}\n" for n in range(12)))
    found = load_names(NamingConfig(data=str(tmp_path / "names.tsv"), class_column=""))
    left_aside = load_names(NamingConfig(data=tsv(tmp_path / "b.tsv"), class_column=""))
    for each in (found, left_aside):
        assert class_counts(each.splits) == {}
        assert {label for _, label in everything(each)} == {""}


def test_a_folder_of_splits_is_kept_as_it_is(tmp_path):
    for split in ("train", "dev", "test"):
        tsv(tmp_path / f"{split}.tsv", [(f"{split}{n}", "ab"[n % 2]) for n in range(3)] + ROWS[:1])
    found = load_names(NamingConfig(data=str(tmp_path)))
    assert [name.text for name in found.splits["validation"]] == ["dev0", "dev1", "dev2", "name0"]
    assert "1 of the 4 test names also stand in training" in found.describe()


def test_right_to_left_names_emoji_and_white_space_are_read(tmp_path):
    family = "👩\u200d👩\u200d👧"
    rows = [(f"{family}{n}", "x") for n in range(6)] + [(f"שלום {n}", "y") for n in range(6)]
    rows.append(("E\u0301mile \u00a0 Zola", "y"))
    found = load_names(NamingConfig(data=tsv(tmp_path / "names.tsv", rows)))
    held = dict(everything(found))
    assert held["Émile Zola"] == "y"
    assert held[f"{family}3"] == "x"
    vocabulary = vocabulary_of(found.splits["train"], 1)
    assert vocabulary.decode(vocabulary.encode(f"{family}שלום")) == f"{family}שלום"


def test_rare_characters_are_unknown_and_the_end_is_not():
    train = [Name("abba"), Name("ac", "again"), Name("ac"), Name("ba")]
    vocabulary = vocabulary_of(train, 2)
    assert set(vocabulary.symbols[1:]) == {END, "a", "b"}  # c is in one name, twice
    example = name_examples(train, vocabulary, []).get(2)
    assert example["targets"].tolist() == [*vocabulary.encode("a"), 0, *vocabulary.encode(END)]
    assert example["inputs"].tolist() == [len(vocabulary), *vocabulary.encode("a"), 0]


def test_batches_hold_every_training_name_with_its_class(tmp_path):
    prepared = prepare(NamingConfig(data=tsv(tmp_path / "names.tsv"), batch_size=5, num_buckets=2))
    seen, classes = [], list(class_counts(prepared.splits))
    for n in range(prepared.batches.batches_per_epoch):
        batch = prepared.batches[n]
        for row, length in enumerate(batch["lengths"]):
            if length:
                text = prepared.vocabulary.decode(batch["targets"][: length - 1, row])
                seen.append((text, classes[batch["class"][row]]))
                assert batch["targets"][length - 1, row] == prepared.vocabulary.encode(END)[0]
    train = prepared.splits["train"]
    decoded = [prepared.vocabulary.decode(prepared.vocabulary.encode(name.text)) for name in train]
    assert sorted(seen) == sorted(zip(decoded, [name.label for name in train], strict=True))


def test_characters_that_the_vocabulary_of_another_corpus_lacks_are_counted(tmp_path):
    for split, name in (("train", "abab"), ("valid", "abcd")):
        (tmp_path / f"{split}.tsv").write_text(f"name\n{name}\n")
    config = NamingConfig(data=str(tmp_path), class_column="", min_count=1, batch_size=1)
    kept = vocabulary_of([Name("a")], 1)
    told = "1 characters; unknown: 50.00% of train, 75.00% of validation"
    assert told in prepare(config, kept, {"classes": "{}"}).description
    with pytest.raises(UserError, match="has the classes none; the restored model has x, y"):
        prepare(config, kept, {"classes": '{"x": 9, "y": 3}'})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name\tkind\nAda\tx\n", r"names.tsv:1 has no column 'class': .*Valid: kind, name"),
        ("name\tclass\nAda\tx\n \tx\n", r"names.tsv:3 has an empty name in column 'name'"),
        ("name\tclass\nAda\t \n", r"names.tsv:2 has an empty class in column 'class'"),
        ("name\tclass\nA\0da\tx\n", r"names.tsv is not text: character 12 is NUL"),
        ("name\tclass\n", "has no examples"),
        ("name\tclass\nAda\tx\n", "has 1 distinct names: at least 10 are needed"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, text, words):
    (tmp_path / "names.tsv").write_text(text)
    with pytest.raises(UserError, match=words):
        load_names(NamingConfig(data=str(tmp_path / "names.tsv")))


def test_a_data_set_of_tfds_is_not_taken_for_a_file():
    with pytest.raises(UserError, match="tfds:names: no data set of TFDS is read here"):
        load_names(NamingConfig(data="tfds:names"))


def test_half_a_surrogate_pair_is_told(tmp_path):
    (tmp_path / "names.jsonl").write_text('{"name": "a\\ud800", "class": "x"}\n')
    with pytest.raises(UserError, match=r"names.jsonl:1 has half of a surrogate pair in 'name'"):
        load_names(NamingConfig(data=str(tmp_path / "names.jsonl")))


def test_a_class_that_only_the_test_has_is_told_with_its_place(tmp_path):
    for split in ("train", "dev"):
        tsv(tmp_path / f"{split}.tsv")
    tsv(tmp_path / "test.tsv", [("Ada", "a"), ("Bo", "aa")])
    words = r"test.tsv:3 has the label 'aa', .*the test split\): did you mean 'a'\? Valid: a, b"
    with pytest.raises(UserError, match=words):
        load_names(NamingConfig(data=str(tmp_path)))


def test_no_frequent_character_is_told():
    with pytest.raises(UserError, match="no character stands in 3 training names"):
        vocabulary_of([Name("ab"), Name("ba")], 3)
