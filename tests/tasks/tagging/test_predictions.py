import dataclasses
import json

import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.tagging.conll import read_conll
from rnnjax.tasks.tagging.reports import as_conll, as_jsonl
from rnnjax.tasks.tagging.sentences import TaggedSentence

TEXT = 'Ada  Lovelace, née "Byron",\u2028wrote of Zürich .'
TOKENS = ("Ada", "Lovelace", ",", "née", '"', "Byron", '"', ",", "wrote", "of", "Zürich", ".")
TAGS = ("B-PER", "I-PER", "O", "O", "O", "B-PER", "O", "O", "O", "O", "B-LOC", "O")
PLACES = ((0, 3), (5, 13), (13, 14), (15, 18), (19, 20), (20, 25), (25, 26), (26, 27), (28, 33))
OFFSETS = (*PLACES, (34, 36), (37, 43), (44, 45))
SCORES = (0.75, np.float32(0.5), 0.1 + 0.2)


def test_the_example_is_as_it_says():
    assert tuple(TEXT[start:end] for start, end in OFFSETS) == TOKENS


def test_jsonl_of_a_text_points_into_it():
    sentence = TaggedSentence(TOKENS, TAGS, "in.txt:1", TEXT, OFFSETS, scores=SCORES, gold=None)
    lines = as_jsonl([sentence, sentence]).split("\n")
    assert lines[0] == lines[1]
    assert lines[2:] == [""]
    assert "Zürich" in lines[0]
    record = json.loads(lines[0])
    assert record["text"] == TEXT
    assert record["tokens"] == list(TOKENS)
    entities = record["entities"]
    assert [entity["type"] for entity in entities] == ["PER", "PER", "LOC"]
    assert [entity["text"] for entity in entities] == ["Ada  Lovelace", "Byron", "Zürich"]
    assert [entity["score"] for entity in entities] == [0.75, 0.5, 0.3]
    for entity in entities:
        assert TEXT[entity["start_char"] : entity["end_char"]] == entity["text"]
    assert [(entity["start"], entity["end"]) for entity in entities] == [(0, 2), (5, 6), (10, 11)]


def test_jsonl_of_tokens_joins_them():
    sentence = TaggedSentence(
        ("New", "York", "<"), ("B-LOC", "I-LOC", "O"), "a:1", scores=(0.9,), gold=None
    )
    entity = {"start": 0, "end": 2, "type": "LOC", "text": "New York", "score": 0.9}
    assert json.loads(as_jsonl([sentence])) == {
        "tokens": ["New", "York", "<"],
        "entities": [entity],
    }
    assert as_jsonl([]) == ""


def test_scores_belong_to_spans_one_each():
    with pytest.raises(ValueError, match="zip"):
        as_jsonl([TaggedSentence(("a", "b"), ("B-X", "B-X"), "a:1", scores=(0.9,), gold=None)])


def test_conll_has_tokens_gold_and_prediction():
    first = TaggedSentence(("a b", "#c"), ("B-X", "O"), "in:1", scores=(0.9,), gold=("O", "O"))
    second = TaggedSentence(("d",), ("O",), "in:4", scores=(), gold=("B-Y",))
    assert as_conll([first, second]) == "a b\tO\tB-X\n#c\tO\tO\n\nd\tB-Y\tO\n\n"
    assert (
        as_conll([first, dataclasses.replace(second, gold=None)]) == "a b\tB-X\n#c\tO\n\nd\tO\n\n"
    )


def test_conll_is_read_back(tmp_path):
    sentence = TaggedSentence(TOKENS, TAGS, "in.txt:1", scores=SCORES, gold=("O",) * len(TOKENS))
    path = tmp_path / "out.conll"
    path.write_text(as_conll([sentence, sentence]), encoding="utf-8")
    predicted = read_conll(str(path))
    assert [(s.tokens, s.tags) for s in predicted] == [(TOKENS, TAGS)] * 2
    assert read_conll(str(path), tag_column=1)[0].tags == sentence.gold


def test_a_token_that_would_break_the_columns_is_refused():
    sentence = TaggedSentence(("a\tb",), ("O",), "in.txt:7", scores=(), gold=None)
    with pytest.raises(UserError, match=r"in\.txt:7: 'a\\tb' cannot stand in a column"):
        as_conll([sentence])
