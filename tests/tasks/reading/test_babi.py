"""Stories and questions from files and from the world that is made up."""

import re

import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.reading import sources, world
from rnnjax.tasks.reading.babi import read_questions, sentences_of

FILE = """\
1 Mary moved to the hallway.
2 Mary took the football there.
3 What is Mary carrying? \tfootball\t2
4 Daniel went to the garden.

5 Where is Daniel?\tgarden\t4
1 John went to the office.
2 What is John carrying?\tApple,milk\t1
"""


def written(folder, text, name="a.txt"):
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_question_is_about_the_sentences_above_it(tmp_path):
    path = written(tmp_path, FILE)
    first, second, third = read_questions(path)
    hallway, football = "Mary moved to the hallway.", "Mary took the football there."
    assert first[:5] == ((hallway, football), "What is Mary carrying?", "football", (1,), 1)
    assert second.story == (hallway, football, "Daniel went to the garden.")
    assert (second.facts, second.story_number, second.place) == ((2,), 1, f"{path}:6")
    assert third[:5] == (
        ("John went to the office.",), "What is John carrying?", "apple,milk", (0,), 2
    )  # fmt: skip


def test_a_table_has_a_question_a_row(tmp_path):
    rows = ["id\tanswer\tstory\tquestion", "1\tHall\tMary left. Mary came to the hall!\tWhere?",
            "2\tLund\tAda is in Lund.\tWhere is Ada?",
            "3\tmary \tMary left. Mary came to the hall!\tWho came?"]  # fmt: skip
    path = written(tmp_path, "\n".join(rows), "a.tsv")
    story = ("Mary left.", "Mary came to the hall!")
    assert read_questions(path) == [
        (story, "Where?", "hall", (), 1, f"{path}:2", ""),
        (("Ada is in Lund.",), "Where is Ada?", "lund", (), 2, f"{path}:3", ""),
        (story, "Who came?", "mary", (), 1, f"{path}:4", ""),
    ]
    asked = written(tmp_path, '{"story": "Ada left.", "question": "Who?"}\n', "a.jsonl")
    assert [one.answer for one in read_questions(asked, answered=False)] == [""]
    with pytest.raises(UserError, match=r"a.jsonl:1 has no 'answer': "):
        read_questions(asked)
    for row, told in ((".,Who?,Ada", "has no story"), ("A b.,,c", "no question"),
                      ("A b.,C?,", "no answer")):  # fmt: skip
        wrong = written(tmp_path, f"story,question,answer\n{row}\n", "a.csv")
        with pytest.raises(UserError, match=rf"a.csv:2.* {told}"):
            read_questions(wrong)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a.txt has no stories"),
        ("Mary moved.\n", "a.txt:1: expected the lines of a bAbI file.*got 'Mary moved.'"),
        ("label\ttext\n", "a.txt:1: expected the lines of a bAbI file"),
        ("1 Mary mo\0ved.\n", "a.txt is not text: character 9 is NUL"),
        ("1 Where is Mary?\tattic\t1\n", "a.txt:1: the question has no story"),
        ("1 Mary went.\n2 John went.\n", "a.txt:1: the story that begins here has no question"),
        ("1 A b.\n2 C?\td\n1 E f.\n1 G h.\n2 I?\tj\n", "a.txt:3: the story that begins here has"),
        ("1 Mary went.\n2 Where?\n", "a.txt:2: the question has no answer"),
        ("1 Mary went.\n2 Where?\t \t1\n", "a.txt:2: the question has no answer"),
        ("1 Mary went.\n3 Where?\tattic\t2\n", "a.txt:2: expected numbers of sentences.*got '2'"),
        ("1 Mary went.\n2 Where?\tattic\tb\n", "a.txt:2: expected numbers of sentences.*got 'b'"),
        ("2 Mary went.\n", "a.txt:1 has the number 2 after 0: expected"),
        ("1 A b.\n2 C d.\n2 E?\tf\n", "a.txt:3 has the number 2 after 2: expected a larger one"),
        ("1 ...\n2 E?\tf\n", "a.txt:1 has no word"),
    ],
)
def test_what_is_no_story_is_told_with_its_line(tmp_path, text, told):
    with pytest.raises(UserError, match=told):
        read_questions(written(tmp_path, text))


def test_a_text_is_cut_into_sentences():
    text = " Ada ran. Bela took\tit!  Is 3.5 a number?\n\n...\nA line without a stop "
    assert sentences_of(text) == (
        "Ada ran.", "Bela took\tit!", "Is 3.5 a number?", "A line without a stop"
    )  # fmt: skip


def stories(number, place="attic"):
    return f"1 Mary went to the {place}.\n2 Where is Mary?\t{place}\t1\n" * number


def test_files_of_tasks_are_told_by_their_names(tmp_path):
    for name, number in (("qa10_indefinite_train", 20), ("qa2_two-facts_train", 10),
                         ("qa2_two-facts_test", 3), ("qa10_indefinite_test", 4)):  # fmt: skip
        written(tmp_path, stories(number), f"{name}.txt")
    splits, note = sources.load_questions(str(tmp_path))
    assert {split: len(its) for split, its in splits.items()} == {
        "train": 27, "validation": 3, "test": 7
    }  # fmt: skip
    assert "a tenth of the training stories is the validation split" in note
    assert sources.kinds_of(splits["test"]) == ["2 two-facts", "10 indefinite"]
    numbers = [one.story_number for one in splits["train"] + splits["validation"]]
    assert sorted(numbers) == list(range(1, 31))
    written(tmp_path, stories(1), "qa3_three-facts.txt")
    with pytest.raises(UserError, match=r"tasks without a split, such as qa3_three-facts\.txt"):
        sources.load_questions(str(tmp_path))


def test_one_file_is_divided_by_story(tmp_path):
    text = "1 Ann ran to the inn.\n2 Where is Ann?\tinn\t1\n3 Bob ran.\n4 Who ran?\tbob\t3\n" * 20
    path = written(tmp_path, text)
    splits, _ = sources.load_questions(path)
    numbers = {split: {one.story_number for one in its} for split, its in splits.items()}
    assert {split: len(its) for split, its in numbers.items()} == {
        "train": 16 + 1, "validation": 1, "test": 2
    }  # fmt: skip
    assert set.union(*numbers.values()) == set(range(1, 21))
    assert sum(map(len, splits.values())) == 40
    assert sources.kinds_of(splits["test"]) == ["1 single-supporting-fact", "who"]
    with pytest.raises(UserError, match="has 9 stories: expected 10 or more to divide"):
        sources.load_questions(written(tmp_path, stories(9), "few.txt"))


def test_mixed_tasks_are_told_by_the_whole_story(tmp_path):
    text = "1 Ann is in the inn.\n2 Is Ann in the inn?\tyes\t1\n3 Ann is no longer in the inn.\n"
    path = written(tmp_path, f"{text}4 Is Ann in the inn?\tno\t3\n" + stories(10))
    kinds = {one.kind for its in sources.load_questions(path)[0].values() for one in its}
    assert kinds == {"9 simple-negation", "1 single-supporting-fact"}


def replayed(question):
    """The answer to a question of the world, by what happens sentence by sentence."""
    place, holder, left, trail = {}, {}, {}, {}
    for text in question.story:
        who, verb, *_, what = text.lower().rstrip(".").split()
        if verb in world.WALKS:
            trail.setdefault(who, []).append(what)
            place[who] = what
        elif verb in world.TAKES:
            holder[what] = who
        else:
            left[what] = place[holder.pop(what)]
    words = question.text.lower().rstrip("?").split()
    if words[0] == "who":
        return holder.get(words[-1], "nobody")
    if words[0] == "is":
        return "yes" if place[words[1]] == words[-1] else "no"
    if words[1] == "was":
        trail = trail[words[2]]
        return trail[trail.index(words[-1]) - 1]
    what = words[-1]
    return place[what] if what in place else place.get(holder.get(what)) or left[what]


def test_the_world_answers_as_its_stories_go(monkeypatch):
    monkeypatch.setattr(world, "STORIES", dict.fromkeys(world.STORIES, 40))
    carried = {}
    for split in ("train", "validation", "test"):
        questions = world.make_world(split)
        assert {one.kind for one in questions} == set(world.KINDS)
        for one in questions:
            assert replayed(one) == one.answer, one
            said = " ".join(one.story[n].lower() for n in one.facts)
            if one.answer not in ("yes", "no", "nobody"):
                assert one.answer in said
        text = "\n".join(text for one in questions for text in one.story)
        takes = re.findall(rf"(\w+) (?:{'|'.join(world.TAKES)}) the (\w+)", text)
        carried[split] = set(takes)
    assert not carried["train"] & carried["test"]
    assert not carried["train"] & carried["validation"]
    assert not carried["validation"] & carried["test"]
