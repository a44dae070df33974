"""Pairs of texts from numbers, parallel files and tables; what does not fit is named."""

import re
import sys

import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.translation.config import TranslationConfig
from rnnjax.tasks.translation.dates import HELD_OUT, date_pairs
from rnnjax.tasks.translation.numbers import LANGUAGES, number_pairs, split_numbers
from rnnjax.tasks.translation.preparation import load_pairs, prepare
from rnnjax.tasks.translation.translator import make_translator
from rnnjax.tasks.translation.vocabulary import JOINER, UNKNOWN_WORD, VocabularyPair


def config(folder, **options):
    return TranslationConfig(data=str(folder), **{"source": "de", "target": "en", **options})


def write(folder, **files):
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.fixture
def folder(tmp_path):
    write(
        tmp_path,
        train__lc__de="ein hund\n\nzwei hunde\r\n",
        train__lc__en="a dog\nnothing\ntwo dogs\n",
        val__lc__de="eins\n", val__lc__en="one\n", val__lc__fr="un\n",
        test_2017__lc__de="zwei", test_2017__lc__en="two",
    )  # fmt: skip
    return tmp_path


def test_numbers_are_in_one_split_in_all_languages():
    splits = split_numbers()
    every = [number for numbers in splits.values() for number in numbers]
    assert len(set(every)) == len(every)
    pairs = number_pairs()
    for split, numbers in splits.items():
        expected = {f"{language} {number}" for language in LANGUAGES for number in numbers}
        assert {source for source, _ in pairs[split]} == expected
    said = dict(pairs["train"])
    assert said["de 21"] == "einundzwanzig"
    assert said["en 99"] == "ninety-nine"
    assert said["fr 80"] == "quatre-vingts"
    assert said["nl 22"] == "tweeëntwintig"


def test_dates_are_those_of_their_days_and_days_are_in_one_split():
    pairs = date_pairs()
    days = {split: {day for _, day in its} for split, its in pairs.items()}
    assert not days["train"] & (days["validation"] | days["test"] | days["formats"])
    assert not days["validation"] & days["test"]
    by_source = {source: day for its in pairs.values() for source, day in its}
    assert sum(map(len, pairs.values())) > len(by_source) > 30000
    numeric = re.compile(r"(en|en_GB|de) (\d+)[./](\d+)[./](\d+)")
    read = 0
    for source, day in by_source.items():
        if match := numeric.fullmatch(source):
            first, second, year = (int(match[n]) for n in (2, 3, 4))
            month, day_of_month = (first, second) if match[1] == "en" else (second, first)
            year += 0 if year > 99 else 2000 if year < 50 else 1900
            assert day == f"{year}-{month:02}-{day_of_month:02}"
            read += 1
    assert read > 500
    assert {source.split()[0] for source, _ in pairs["formats"]} == set(HELD_OUT)
    months = re.compile(r"nl \d+ (mrt|jan|feb|okt) \d+")
    assert any(months.fullmatch(source) for source, _ in pairs["formats"])
    for split in ("train", "validation", "test"):
        assert not any(months.fullmatch(source) for source, _ in pairs[split])


@pytest.mark.parametrize(("data", "package"), [("embedded", "num2words"), ("dates", "babel")])
def test_generated_data_without_their_package_name_the_extra(data, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"rnnjax\[translation\].*--config.data=FOLDER$"):
        load_pairs(TranslationConfig(data=data))


def test_the_side_of_more_different_lengths_decides_the_batch(tmp_path):
    """All targets are equally long, and sources of one batch nearly so."""
    lines = [("a " * n, "x") for n in (1, 2, 9, 10) for _ in range(4)]
    for split in ("train", "val"):
        write(tmp_path, **{f"{split}__tsv": "\n".join("\t".join(line) for line in lines)})
    found = prepare(config(tmp_path, source="", target="", level="word", min_count=1, batch_size=8,
                           num_buckets=2))  # fmt: skip
    batches = [found.batches[n] for n in range(found.batches.batches_per_epoch)]
    assert sorted(len(batch["source"]) for batch in batches) == [3, 11]


def test_parallel_files_of_a_folder(folder):
    corpus = load_pairs(config(folder))
    assert [pair[:2] for pair in corpus.splits["train"]] == [
        ("ein hund", "a dog"), ("zwei hunde", "two dogs"),
    ]  # fmt: skip
    assert corpus.splits["train"][1].place == f"{folder / 'train.lc.de'}:3"
    assert corpus.splits["test"][0][:2] == ("zwei", "two")
    assert "1 pair with an empty side left out of split train" in corpus.describe()
    assert f"first {folder / 'train.lc.de'}:2" in corpus.describe()
    turned = load_pairs(config(folder, source="en", target="de"))
    assert turned.splits["validation"][0][:2] == ("one", "eins")


def test_files_by_name_and_tables(folder, tmp_path):
    write(folder, a__tsv="x y\tu v\nz\tw\n", b__tsv="en\tno\tde\none\t1\teins\n")
    table = load_pairs(config(f"train={folder}/a.tsv,validation={folder}/a.tsv", source="",
                              target=""))  # fmt: skip
    assert [pair[:2] for pair in table.splits["train"]] == [("x y", "u v"), ("z", "w")]
    both = load_pairs(config(f"train={folder}/val.lc.de,validation={folder}/b.tsv"))
    assert [both.splits[split][0][:2] for split in ("train", "validation")] == [("eins", "one")] * 2


def test_one_table_is_divided_with_the_translations_of_a_source_together(tmp_path):
    rows = [f"s{n % 40}\tt{n}" for n in range(100)]
    write(tmp_path, all__tsv="\n".join(rows))
    splits = load_pairs(config(tmp_path / "all.tsv", source="", target="")).splits
    sources = {name: {pair.source for pair in pairs} for name, pairs in splits.items()}
    assert [len(sources[name]) for name in ("train", "validation", "test")] == [32, 4, 4]
    assert sum(map(len, splits.values())) == 100
    assert len(set.union(*sources.values())) == 40


def broken(folder, name, text):
    (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (lambda f: broken(f, "train.lc.en", "a\nb\n"), {},
         r"train.lc.de has 3 lines and .*train.lc.en 2: .*train.lc.de:3 has no partner$"),
        (lambda f: f, {"source": "nl"}, r"no file that ends in .nl: its files end in .de, .en, "),
        (lambda f: f, {"target": "nl"}, r"train.lc.de has no partner: there is no .*train.lc.nl"),
        (lambda f: f, {"source": "", "target": ""}, r"no file that is a table .*--config.source"),
        (lambda f: f, {"source": "fr", "target": "en"}, r"has no train file that ends in .fr$"),
        (lambda f: broken(f, "test_2016.lc.de", "x"), {}, r"two files for the split test"),
        (lambda f: broken(f, "val.lc.de", " \n"), {}, r"validation of .*: no line has text"),
        (lambda f: f / "val.lc.fr", {}, r"expected a table .*got --config.source=de"),
        (lambda f: f / "none", {}, r"none does not exist"),
        (lambda f: broken(f, "few.tsv", "a\tb") / "few.tsv", {"source": "", "target": ""},
         r"has 1 sources: 10 or more"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(folder, make, options, words):
    with pytest.raises(UserError, match=words) as told:
        load_pairs(config(make(folder), **options))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("pair", [{"source": "de"}, {"source": "de", "target": "de"}])
def test_two_languages_are_named_or_none(pair):
    with pytest.raises(UserError, match="name two languages; got de and"):
        TranslationConfig(**pair).validate()


def test_long_pairs_are_left_out_of_training_only_and_counted(folder):
    write(folder, train__lc__de="a b\nc d e f\ng\n", train__lc__en="x\ny\nz z z z z\n")
    settings = {"level": "word", "min_count": 1, "batch_size": 4}
    short = prepare(config(folder, max_length=4, **settings))
    assert "; 2 training pairs are too long and left out." in short.description
    (row,) = [n for n in short.batches[0]["indices"].tolist() if n >= 0]
    assert row == 0
    assert short.batches[0]["lengths"].tolist() == [2, 0, 0, 0]
    whole = prepare(config(folder, max_length=6, **settings)).description
    assert "left out" not in whole
    with pytest.raises(UserError, match=r"more than --config.max_length=1 .*the shortest has 3$"):
        prepare(config(folder, max_length=1, **settings))


def test_vectors_are_those_of_either_side_with_and_without_a_joiner(folder, tmp_path):
    (tmp_path / "train.lc.de").write_text("ein hund.\n\nzwei . hunde\n")
    (tmp_path / "de.vec").write_text("hund 1 2\n. 3 4\nwal 5 6\n")
    options = {"level": "word", "min_count": 1, "hidden_size": 4, "embed_size": 2}
    chosen = config(folder, vectors=f"{tmp_path}/de.vec,", **options)
    found = prepare(chosen)
    assert "source: 3 of 6 words (50.0%) have pretrained vectors" in found.description
    model = make_translator(chosen, found.vocabulary, found.vectors)
    source, table = found.vocabulary.source, model.encoders[0].embed.embedding[...]
    rows = [table[source.symbols.index(word)].tolist() for word in ("hund", ".", f"{JOINER}.")]
    assert rows == [[1, 2], [3, 4], [3, 4]]
    (tmp_path / "en.vec").write_text("dog 1 2 3\n")
    both = config(folder, vectors=f"{tmp_path}/de.vec,{tmp_path}/en.vec", **options)
    with pytest.raises(UserError, match=r"have 3 numbers each: expected --config.embed_size=3"):
        make_translator(both, *prepare(both)[5:7])
    for wrong in ({"vectors": "a,b", "level": "subword"}, {"vectors": "a"}):
        with pytest.raises(UserError, match=r"takes --config.level=word and SOURCE,TARGET with"):
            config(folder, **{"level": "word", **wrong}).validate()


def test_rare_words_are_unknown():
    pair = VocabularyPair.of(["a a b"], ["c c d"], level="word", min_count=2)
    assert pair.source.encode("b a").tolist()[0] == UNKNOWN_WORD
    assert pair.target.symbols[3:] == ("c",)
