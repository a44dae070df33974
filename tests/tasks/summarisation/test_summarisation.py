"""Texts and summaries from docstrings and mails, in numbers and back; what is too long; ROUGE."""

import dataclasses
import sys

import jax
import numpy as np
import pytest
from flax import nnx

from rnnjax.data.documents import Document
from rnnjax.data.pair_batches import Lengths
from rnnjax.data.text_pairs import Pair
from rnnjax.data.word_vocabulary import END, UNKNOWN_WORD
from rnnjax.errors import UserError
from rnnjax.models.decoding import Search
from rnnjax.tasks.summarisation import docstrings
from rnnjax.tasks.summarisation.config import SummarisationConfig
from rnnjax.tasks.summarisation.mails import read_mail
from rnnjax.tasks.summarisation.preparation import lead_size, load_pairs, prepare
from rnnjax.tasks.summarisation.scores import first_words, mean, rouge
from rnnjax.tasks.summarisation.summarizer import Summarizer, make_summarizer
from rnnjax.tasks.summarisation.vocabulary import SummaryVocabulary

VOCABULARY = SummaryVocabulary("word", ("<end>", "<start>", "<unknown>", "the", "reads", "file"))
SMALL = {"hidden_size": 4, "embed_size": 3, "attention_size": 3, "cell": "gru", "min_count": 1}


def test_unknown_words_of_a_text_have_numbers_of_their_own():
    read = VOCABULARY.read("The gadget reads the widget, the gadget")
    assert read.ids.tolist() == [3, 2, 4, 3, 2, 2, 3, 2, END]
    assert read.symbols.tolist() == [3, 6, 4, 3, 7, 8, 3, 6, END]
    assert read.unknown == ("gadget", "widget", ",")
    target = VOCABULARY.encode_summary("widget file of Gadget", read.unknown)
    assert target.tolist() == [7, 5, UNKNOWN_WORD, 6, END]
    symbols = VOCABULARY.symbols_of([7, 5, 6, END, 4], read.unknown)
    assert VOCABULARY.text(symbols) == "widget file gadget"
    assert VOCABULARY.encode_summary("widget").tolist() == [UNKNOWN_WORD, END]
    cut = VOCABULARY.read("The gadget reads the widget", 4)
    assert (cut.ids.tolist(), cut.unknown) == ([3, 2, 4, END], ("gadget",))


def test_all_parts_of_words_are_known():
    vocabulary = SummaryVocabulary.of(["reads a file or"], level="subword", num_subwords=40)
    read = vocabulary.read("a dear file")
    assert read.unknown == ()
    np.testing.assert_array_equal(read.ids, read.symbols)
    assert vocabulary.text(vocabulary.symbols_of(read.ids.tolist())) == "a dear file"


def test_marks_follow_their_words():
    words = SummaryVocabulary.words_of("Call f(x, y): it's Curie's.")
    assert VOCABULARY.text(words) == "call f (x, y): it's curie's."


SOURCE = '''"""Module.

Its body."""
class A:
    """No end
    of a first line"""
    def f(self):
        """Does it.
        And more."""
'''


def test_first_lines_end_a_sentence_or_stand_alone_and_a_module_is_in_one_split(monkeypatch):
    """No body of a held-out module is trained on."""
    names = ["calendar.py", "csv.py", "xml/dom.py", "xml/sax.py"]
    files = [
        Document(f"/lib/python3.12/{name}", [SOURCE.replace("more", f"{n}").encode()])
        for n, name in enumerate(names)
    ]
    monkeypatch.setattr(docstrings, "python_source", lambda: files)
    found = docstrings.docstring_pairs()
    splits = {split: {(one.source, one.target) for one in its} for split, its in found.items()}
    module = ("\nIts body.", "Module.")
    assert splits == {
        "validation": {("And 0.", "Does it.")},
        "test": {module, ("And 1.", "Does it.")},
        "train": {("And 2.", "Does it."), ("And 3.", "Does it.")},
    }
    assert [one.place for one in found["train"]] == [
        f"/lib/python3.12/{name}:7" for name in names[2:]
    ]


def test_a_mail_is_read_without_the_subjects_of_annotators(tmp_path):
    path = tmp_path / "a.subject"
    path.write_text("Hello @subject x,\nsee it.\n\n@subject\nA plan\n\n@ann0\nother\n@ann1\nmore")
    assert read_mail(path, encoding="utf-8").fields == {
        "source": "Hello @subject x,\nsee it.", "target": "A plan",
    }  # fmt: skip
    path.write_text("no subject")
    with pytest.raises(UserError, match=r"a.subject has no line @subject"):
        read_mail(path, encoding="utf-8")


def test_folders_of_mails_are_splits_and_empty_ones_are_counted(tmp_path):
    for split, subject in (("train", "A"), ("train", ""), ("dev", "B"), ("test", "C")):
        (tmp_path / split).mkdir(exist_ok=True)
        (tmp_path / split / f"{subject or 'none'}.subject").write_text(f"x\n@subject\n{subject}")
    corpus = load_pairs(SummarisationConfig(data=str(tmp_path)))
    found = {split: [one[:2] for one in its] for split, its in corpus.splits.items()}
    assert found == {"train": [("x", "A")], "validation": [("x", "B")], "test": [("x", "C")]}
    assert "1 pair with an empty side left out of split train" in corpus.describe()


@pytest.fixture
def table(tmp_path):
    lines = ["a b c d e f\tb", "a b\ta", "c d\tc d c d c"]
    for split in ("train", "val"):
        (tmp_path / f"{split}.tsv").write_text("\n".join(lines))
    return tmp_path


@pytest.mark.parametrize(
    ("policy", "lengths", "told"),
    [
        ("truncate", [3, 4], "1 training texts are longer than 4 symbols and cut"),
        ("skip", [3], "1 training texts are longer than 4 symbols and left out"),
        ("keep", [3, 7], "1 training texts are longer than 4 symbols and kept whole"),
    ],
)
def test_long_texts_are_treated_as_wanted_and_counted(table, policy, lengths, told):
    config = SummarisationConfig(
        data=str(table), max_length=4, max_summary=3, too_long=policy, batch_size=4, **SMALL
    )
    found = prepare(config)
    assert f"{told}; 1 training summaries are longer than 3 and left out." in found.description
    unknown = "unknown: 0.0% and 0.0% of train, 0.0% and 0.0% of validation, of texts and of summ"
    assert unknown in found.description
    batches = [found.batches[n] for n in range(found.batches.batches_per_epoch)]
    sizes = [n for batch in batches for n in batch["source_lengths"].tolist() if n]
    assert sorted(sizes) == lengths
    assert config.limit == (4 if policy == "truncate" else None)
    with pytest.raises(UserError, match=r"too long for --config.max_length=4 .*the shortest text"):
        prepare(dataclasses.replace(config, max_summary=1))


def summarizer(**options):
    config = SummarisationConfig(**{**SMALL, **options})
    model = make_summarizer(config, VOCABULARY)
    return Summarizer(model, VOCABULARY, Lengths((6, 12), (5,)), config.limit, Search(2))


def test_what_is_copied_stands_in_the_text_and_may_be_unknown():
    model = summarizer(coverage=1.0)
    model.model.generate.bias[...] = np.float32([-50.0])  # p_gen is 0
    texts = ["gadget widget doodah", "xyzzy", "gadget " * 9]
    for one, text in zip(model.summarize(texts), texts, strict=True):
        assert set(one.symbols) <= set(text.split())
        assert one.source == (*text.split(), "<end>")
        np.testing.assert_allclose(one.copied, 1, atol=1e-6)
        assert one.attention.shape == (len(one.symbols), len(one.source))
    model.model.generate.bias[...] = np.float32([50.0])
    assert not {"gadget", "xyzzy"} & {s for one in model.summarize(texts) for s in one.symbols}


def test_without_copies_no_word_is_unknown():
    model = summarizer(copy=False)
    model.model.head.bias[...] = model.model.head.bias[...].at[UNKNOWN_WORD].set(50.0)
    found = model.summarize(["gadget file"])
    assert found[0].copied is None
    assert "<unknown>" not in found[0].symbols
    with pytest.raises(UserError, match=r"^text 2 of 2 is empty: nothing to summarise$"):
        model.summarize(["file", " "])


def test_vectors_are_those_of_both_sides(table, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("a 1 2 3\nq 4 5 6\n")
    config = SummarisationConfig(data=str(table), vectors=str(path), **SMALL)
    found = prepare(config)
    model = make_summarizer(config, found.vocabulary, found.vectors)
    place = found.vocabulary.symbols.index("a")
    assert model.embed is model.encoders[0].embed
    assert model.embed.embedding[...][place].tolist() == [1, 2, 3]
    assert "1 of 6 words (16.7%) have pretrained vectors" in found.description
    _, params = nnx.split(model, nnx.Param)
    assert sum(leaf.shape == (9, 3) for leaf in jax.tree.leaves(params)) == 1
    with pytest.raises(UserError, match=r"expected --config.embed_size=3, got 5"):
        make_summarizer(dataclasses.replace(config, embed_size=5), found.vocabulary, found.vectors)


def test_rouge_is_that_of_words_counted_by_hand():
    (found,) = rouge(["the files are read twice"], ["read the file"])
    assert found["rouge1"] == pytest.approx(100 * 2 * (3 / 5) * (3 / 3) / (3 / 5 + 3 / 3))
    assert found["rouge2"] == pytest.approx(100 * 2 * (1 / 4) * (1 / 2) / (1 / 4 + 1 / 2))
    assert found["rougeL"] == pytest.approx(100 * 2 * (2 / 5) * (2 / 3) / (2 / 5 + 2 / 3))
    assert mean([found, dict.fromkeys(found, 0.0)])["rouge2"] == found["rouge2"] / 2


@pytest.mark.parametrize(
    ("summary", "reference", "right"),
    [("Новая модель", "новая модель!", 1), ("grüße für dich", "grüße vor dich", 2 / 3),
     ("हिन्दी पाठ", "हिन्दा पाठ", 1 / 2), ("snake_case files", "Snake case file", 1)],
)  # fmt: skip
def test_rouge_counts_words_of_any_letters(summary, reference, right):
    (found,) = rouge([summary], [reference])
    assert found["rouge1"] == pytest.approx(100 * right)


def test_the_baseline_has_as_many_words_as_summaries():
    pairs = [Pair("x", "one two", ""), Pair("x", "one two three.", ""), Pair("x", "one", "")]
    assert lead_size(pairs) == 2
    assert first_words("  Read it,  now", 3) == "Read it,"
    assert first_words("Read", 3) == "Read"


def test_rouge_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", None)
    with pytest.raises(UserError, match=r"rnnjax\[summarisation\]"):
        rouge(["a"], ["a"])
