import re
from html.parser import HTMLParser

from rnnjax.tasks.tagging.entity_scores import entity_scores
from rnnjax.tasks.tagging.pages import errors_section, hue_of, scores_section, spans_page
from rnnjax.tasks.tagging.sentences import TaggedSentence


class Marks(HTMLParser):
    """The marked spans of a page, and its text by the element around it."""

    def __init__(self, page):
        super().__init__()
        self.marks, self.texts, self.titles, self._open = [], {}, [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self._open.append(tag)
        if tag == "mark":
            self.marks.append(dict(attributes) | {"words": ""})
        if tag == "li":
            self.titles.append(dict(attributes)["title"])
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data):
        for tag in set(self._open):
            self.texts[tag][-1] += data
        if "mark" in self._open:
            self.marks[-1]["words"] += data


def sentence(tokens, tags, scores, gold=None, source="in.txt:1"):
    gold = None if gold is None else tuple(gold.split())
    return TaggedSentence(
        tuple(tokens.split()), tuple(tags.split()), source, scores=scores, gold=gold
    )


def test_spans_are_marked_and_all_else_is_kept_and_escaped():
    text = '"<u>"  Ada Lovelace,\nnée Byron & co'
    tokens = ('"', "<u>", '"', "Ada", "Lovelace", ",", "née", "Byron", "&", "co")
    places = ((0, 1), (1, 4), (4, 5), (7, 10), (11, 19), (19, 20), (21, 24), (25, 30), (31, 32))
    tags = ("O", "B-<T>", "O", "B-PER", "I-PER", "O", "O", "B-PER", "I-PER", "I-PER")
    one = TaggedSentence(
        tokens, tags, '<i>"file":3', text, (*places, (33, 35)), scores=(0.5, 0.987, 1.0), gold=None
    )
    page = spans_page([one, one])
    assert "<u>" not in page
    assert "<T>" not in page
    assert "<i>" not in page
    found = Marks(page)
    assert found.texts["li"] == [text, text]
    assert found.titles == ['<i>"file":3'] * 2
    legend, inside = found.marks[:2], found.marks[2:5]
    assert [(mark["data-type"], mark["words"]) for mark in legend] == [("<T>", "2"), ("PER", "4")]
    assert [mark["words"] for mark in inside] == ["<u>", "Ada Lovelace", "Byron & co"]
    assert [mark["title"] for mark in inside] == [
        "<T>\xa050.0%", "PER\xa098.7%", "PER\xa0100.0%",
    ]  # fmt: skip
    hues = [mark["style"].partition(";")[0] for mark in (*legend, *inside)]
    assert hues == [f"--hue:{hue_of(kind)}" for kind in ("<T>", "PER", "<T>", "PER", "PER")]
    cards = dict(zip(["sentences", "tokens", "entities"], found.texts["b"], strict=True))
    assert cards == {"sentences": "2", "tokens": "20", "entities": "6"}


def test_tokens_without_a_text_are_parted_by_spaces():
    page = spans_page([sentence("He saw New York .", "O O B-LOC I-LOC O", (0.9,))])
    assert Marks(page).texts["li"] == ["He saw New York . "]
    assert Marks(page).marks[1]["words"] == "New York"


def test_hues_of_common_types_are_far_apart():
    values = sorted(map(hue_of, ["PER", "LOC", "ORG", "MISC", "DATE", "WORK"]))
    gaps = [(b - a) % 360 for a, b in zip(values, values[1:] + values[:1], strict=True)]
    assert min(gaps) > 30


def test_a_type_has_one_colour_on_all_pages():
    def hues(page):
        marks = [mark for mark in Marks(page).marks if "style" in mark]
        return {(mark["data-type"], mark["style"].partition(";")[0]) for mark in marks}

    one = sentence("Ada saw Rome", "B-PER O B-LOC", (0.9, 0.8), "B-PER O O")
    other = sentence("Bonn cut Jena 7", "B-LOC O B-ORG B-DATE", (0.9, 0.8, 0.7), "O O B-ORG O")
    pages = [spans_page([one]), spans_page([other]), spans_page([other, one])]
    found = [hues(page) for page in [*pages, errors_section([one]).html]]
    assert found[0] | found[1] == found[2]
    assert len(found[2]) == 4
    assert found[3] < found[0]


def test_less_probable_entities_are_paler_and_their_probability_is_shown():
    page = spans_page([sentence("Ada saw Rome", "B-PER O B-LOC", (0.75, 0.3))])
    styles = [mark["style"].partition(";")[2] for mark in Marks(page).marks]
    assert styles == ["", "", "--p:0.75", "--p:0.30"]
    assert re.search(r"mark \{ background: hsl\([^;]*\* var\(--p, 1\)\)", page)
    assert re.search(r"mark::after \{ content: attr\(title\)", page)
    assert "The paler the colour, the less probable" in page


def rows_of(section):
    """The cells of each row of a table, marks taken apart from it."""
    rows = re.findall(r"<tr.*?>(.*?)</tr>", section.html, re.DOTALL)
    return [re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL) for row in rows[1:]]


def test_errors_come_with_the_most_confident_first_and_the_missed_last():
    sentences = [
        sentence("Ada met Bob .", "O O B-PER O", (0.9,), "B-PER O B-PER O", "f:1"),
        sentence("Rome burns", "B-PER O", (0.6,), "B-LOC O", "f:6"),
        sentence("no gold here", "B-PER O O", (1.0,), None, "f:9"),
        sentence("I <3 New York City", "O B-X B-LOC I-LOC O", (0.8, 0.7), "O O B-LOC I-LOC I-LOC"),
    ]
    section = errors_section(sentences)
    rows = rows_of(section)
    kinds = ["spurious", "wrong border", "wrong type", "missed"]
    assert [row[0] for row in rows] == kinds
    assert [row[1] for row in rows] == ["80.0%", "70.0%", "60.0%", "–"]
    assert [row[3] for row in rows] == ["in.txt:1", "in.txt:1", "f:6", "f:1"]
    assert "1 missed" in section.html
    true, predicted = (
        [(mark["words"], mark["data-type"], "style" in mark) for mark in Marks(part).marks]
        for part in rows[1][2].split("predicted</i>")
    )
    assert true == [("New York City", "LOC", True)]
    assert predicted == [("<3", "X", False), ("New York", "LOC", True)]
    few = errors_section(sentences, limit=2)
    assert [row[0] for row in rows_of(few)] == kinds[:2]
    assert "shown: the first 2" in few.html
    assert "shown" not in errors_section(sentences, limit=4).html


def test_without_errors_there_is_no_table():
    assert "<table" not in errors_section([sentence("a b", "B-X O", (0.9,), "B-X O")]).html


def test_errors_stack_and_scores_scroll_on_a_narrow_screen():
    errors = errors_section([sentence("a b", "B-X O", (0.9,), "O O")]).html
    scores = scores_section(entity_scores([["B-X"]], [["B-X"]])).html
    assert '<div class="scroll"><table class="wide stack">' in errors
    assert '<div class="scroll"><table class="wide">' in scores


def test_only_the_words_around_an_error_are_shown():
    tokens = " ".join(f"w{n}" for n in range(60))
    tags = " ".join(["O"] * 30 + ["B-X"] + ["O"] * 9 + ["B-Y"] + ["O"] * 19)
    gold = " ".join(["O"] * 60)
    first, second = rows_of(errors_section([sentence(tokens, tags, (0.9, 0.8), gold)]))
    shown = [Marks(row[2]).texts["span"] for row in (first, second)]
    assert shown[0] == [f"… {' '.join(f'w{n}' for n in range(18, 43))} …"] * 2
    assert shown[1] == [f"… {' '.join(f'w{n}' for n in range(28, 53))} …"] * 2
    assert "style" in Marks(first[2]).marks[0]
    assert "style" not in Marks(first[2]).marks[1]


def test_words_around_an_early_error_start_with_the_sentence_and_cut_what_goes_on():
    tokens = " ".join(f"w{n}" for n in range(30))
    tags = " ".join(["O", "O", "B-X"] + ["O"] * 10 + ["B-Y"] + ["I-Y"] * 4 + ["O"] * 12)
    gold = " ".join(["O"] * 13 + ["B-Y"] + ["I-Y"] * 4 + ["O"] * 12)
    (row,) = rows_of(errors_section([sentence(tokens, tags, (0.9, 0.8), gold)]))
    found = Marks(row[2])
    assert found.texts["span"] == [f"{' '.join(f'w{n}' for n in range(15))} …"] * 2
    assert [mark["words"] for mark in found.marks] == ["w13 w14", "w2", "w13 w14"]


def test_the_table_of_scores():
    gold = [["B-PER", "O", "B-<X>"], ["B-PER", "I-PER"]]
    predicted = [["B-PER", "B-PER", "O"], ["B-PER", "I-PER"]]
    section = scores_section(entity_scores(gold, predicted), "Test")
    assert section.title == "Test"
    assert rows_of(section) == [
        ["&lt;X&gt;", "0.00", "0.00", "0.00", "1"],
        ["PER", "66.67", "100.00", "80.00", "2"],
        ["all (micro)", "66.67", "66.67", "66.67", "3"],
        ["types (macro)", "33.33", "50.00", "40.00", "3"],
    ]
    assert 'style="--part:80.0%"' in section.html
    assert "Token accuracy 60.00" in section.html
