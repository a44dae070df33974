"""Where questions come from, in splits: the world that ships with rnnjax, or bAbI files."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from rnnjax.data.files import files_at
from rnnjax.data.named_splits import (
    LIST_OF_PATHS,
    SPLITS,
    is_list_of_paths,
    split_files,
    split_of,
    without_a_tenth,
)
from rnnjax.data.question_vocabulary import words_of
from rnnjax.errors import UserError
from rnnjax.tasks.reading.babi import Question, read_questions
from rnnjax.tasks.reading.world import PEOPLE, make_world

Splits = dict[str, list[Question]]

_TASK = re.compile(r"qa(\d+)_([a-z-]+)", re.IGNORECASE)

_MIXED = (
    ("19 path-finding", r"how do you go", ""),
    ("18 size-reasoning", r"does the .* fit|is the .* bigger", ""),
    ("17 positional-reasoning", r"is the .* (left|right|above|below)", ""),
    ("20 agents-motivations", r"why did|where will", ""),
    ("16 basic-induction", r"what color", ""),
    ("15 basic-deduction", r"what is .* afraid of", ""),
    ("4 two-arg-relations", r"what is .*(north|south|east|west)", ""),
    ("5 three-arg-relations", r"who (gave|received|did)|what did .* give", ""),
    ("7 counting", r"how many", ""),
    ("8 lists-sets", r"what is \w+ carrying", ""),
    ("14 time-reasoning", r"where was \w+ before", ""),
    ("3 three-supporting-facts", r"where was the", ""),
    ("2 two-supporting-facts", r"where is the", ""),
    ("10 indefinite-knowledge", r"is \w+ in", r"\beither\b"),
    ("9 simple-negation", r"is \w+ in", r"\bno longer\b|\bis not\b"),
    ("10 indefinite-knowledge", r"is \w+ in", r"\bis in the\b"),
    ("6 yes-no-questions", r"is \w+ in", ""),
    ("13 compound-coreference", r"where is", r"\bthey\b"),
    ("11 basic-coreference", r"where is", r"\b(he|she)\b"),
    ("12 conjunction", r"where is", r"^\w+ and \w+ "),
    ("1 single-supporting-fact", r"where is", ""),
)
"""The bAbI tasks by how their questions begin and what is in their stories, in files without names
of tasks; the first that fits."""


def load_questions(source: str, *, encoding: str = "utf-8") -> tuple[Splits, str]:
    """The questions of a source, by split, and a line about them.

    Args:
        source: `embedded`; a folder of the bAbI tasks, `qa1_..._train.txt` and the like; another
            folder with named splits, or `train=PATH,test=PATH` (see `rnnjax.data.named_splits`);
            or one file, of which a tenth of the stories is for the test. Where there is no
            validation split, a tenth of the training stories is drawn for it.

    Raises:
        UserError: there is no such source, or it cannot be read; see `babi.read_questions`.
    """
    if source == "embedded":
        splits = {split: make_world(split) for split in SPLITS}
        return splits, f"a world of {len(PEOPLE)} people, made up"
    files = _split_files(source)
    splits = {split: _of_files(paths, encoding) for split, paths in files.items()}
    if len(splits) > 1 and "validation" in splits:
        return splits, source
    drawn = ["validation"] if "test" in splits else ["test", "validation"]
    for split in drawn:
        stories = [one.story_number for one in splits["train"]]
        divided = without_a_tenth(splits["train"], stories, source, "stories")
        splits["train"], splits[split] = divided
    note = f"{source}; a tenth of the training stories is the {' and the '.join(drawn)} split"
    return {split: splits[split] for split in SPLITS}, note


def kind_of(question: Question, story: Sequence[str]) -> str:
    """What a question is counted by: the task that the name of its file says; else that of the
    bAbI tasks whose words it has; else its first word.

    Args:
        story: all sentences of its story, those below the question too.
    """
    if task := _TASK.search(Path(question.place).name):
        return f"{task[1]} {task[2].lower()}".strip("_")
    lines = "\n".join(story).lower()
    for kind, its_question, its_story in _MIXED:
        if re.match(its_question, question.text.lower()) and re.search(its_story, lines, re.M):
            return kind
    return words_of(question.text)[0]


def kinds_of(questions: Iterable[Question]) -> list[str]:
    """The distinct kinds: those that begin with a number in its order, then the others."""
    kinds = {one.kind for one in questions}
    return sorted(kinds, key=lambda kind: (int((re.match(r"\d+", kind) or ["999"])[0]), kind))


def _split_files(source: str) -> dict[str, list[Path]]:
    if not is_list_of_paths(source) and Path(source).expanduser().is_dir():
        tasks = [path for path in files_at(source) if _TASK.match(path.name)]
        if tasks:
            by_split: dict[str, list[Path]] = {}
            for path in tasks:
                by_split.setdefault(split_of(path) or "", []).append(path)
            if "" in by_split or "train" not in by_split:
                named = by_split.get("", tasks)[0]
                raise UserError(
                    f"{source} has tasks without a split, such as {named.name}: expected train or "
                    f"test in each name, and a train file ({LIST_OF_PATHS})"
                )
            return by_split
    return split_files(source, needed=("train",), pool=True).files


def _of_files(paths: Sequence[Path], encoding: str) -> list[Question]:
    questions: list[Question] = []
    for path in paths:
        before = questions[-1].story_number if questions else 0
        read = read_questions(str(path), encoding=encoding)
        whole = {one.story_number: one.story for one in read}  # That of its last question.
        questions += (
            one._replace(
                story_number=one.story_number + before, kind=kind_of(one, whole[one.story_number])
            )
            for one in read
        )
    return questions
