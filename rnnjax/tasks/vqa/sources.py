"""Where images and questions come from, in splits: made-up scenes, easy-VQA, or files."""

import importlib.util
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from rnnjax.data.examples import Example
from rnnjax.data.images import read_image
from rnnjax.data.labelled import as_column, read_columns
from rnnjax.data.named_splits import SPLITS, split_files, without_a_tenth
from rnnjax.data.question_vocabulary import words_of
from rnnjax.errors import UserError
from rnnjax.tasks.vqa.config import VqaConfig
from rnnjax.tasks.vqa.questions import AskedImage, Question, Splits
from rnnjax.tasks.vqa.scenes import make_scenes


def load_splits(config: VqaConfig) -> tuple[Splits, str]:
    """The images and questions of a config by split, and lines about them.

    Args:
        config: its `data` is `embedded`; `easy_vqa`; a folder with named splits, or
            `train=PATH,test=PATH` (see `rnnjax.data.named_splits`); or one file, of which a tenth
            of the images is for the test. Where there is no validation split, a tenth of the
            training images is drawn for it.

    Raises:
        UserError: there is no such source, it cannot be read, or no image of a split can.
    """
    if config.data == "embedded":
        side = config.image_size
        return {split: make_scenes(split, side=side) for split in SPLITS}, "digit scenes, made up"
    notes = [config.data]
    if config.data == "easy_vqa":
        by_split = {split: _easy_vqa(split) for split in ("train", "test")}
    else:
        found = split_files(config.data, needed=("train",), pool=True)
        by_split = found.read(lambda path: read_questions(str(path), config))
    read = partial(read_image, size=config.image_size, policy=config.resize)
    splits = {}
    for split, asked in by_split.items():
        splits[split], unread = read_images(asked, read)
        if unread:
            count = len(unread)
            notes.append(f"{count:,} image{'s' * (count > 1)} of {split} left out: {unread[0]}")
        if not splits[split]:
            raise UserError(f"no image of the {split} split can be read: {unread[0]}")
    if "validation" not in splits:
        for split in ("validation",) if "test" in splits else ("test", "validation"):
            train = splits["train"]
            divided = without_a_tenth(train, range(len(train)), config.data, "images")
            splits["train"], splits[split] = divided
            notes.append(f"a tenth of the training images is the {split} split")
    return {split: splits[split] for split in SPLITS if split in splits}, "; ".join(notes)


def read_questions(
    path: str, config: VqaConfig, *, answered: bool = True
) -> list[tuple[str, Question]]:
    """The questions of a file, each with the path of its image.

    Args:
        path: of a TSV, CSV or JSONL file.
        config: names its columns.

    Raises:
        UserError: it cannot be read, or an image, a question or an answer is missing.
    """
    names = ["image", "question", *(["answer"] if answered else [])]
    columns = {name: as_column(getattr(config, f"{name}_column")) for name in names}
    asked = []
    for example in read_columns(path, columns, encoding=config.encoding):
        for name, text in example.fields.items():
            if not (words_of(text) if name == "question" else text.strip()):
                raise UserError(f"{example.place}: the {name} is missing; got {text!r}")
        asked.append(_of_example(example, Path(path).expanduser().parent))
    return asked


def kind_of(text: str, answer: str) -> str:
    """What a question of a file is counted by: `yes or no`, or its first two words."""
    return "yes or no" if answer in ("yes", "no") else " ".join(words_of(text)[:2])


def read_images(
    asked: Iterable[tuple[str, Question]], read: Callable[[str], np.ndarray]
) -> tuple[list[AskedImage], list[str]]:
    """Reads the images of questions, each once.

    Args:
        read: gives the pixels of a path, or raises UserError.

    Returns:
        The images that can be read, with their questions; and for each other one what is wrong.
    """
    by_path: dict[str, list[Question]] = {}
    for path, question in asked:
        by_path.setdefault(path, []).append(question)
    images, unread = [], []
    for path, questions in by_path.items():
        try:
            images.append(AskedImage(path, read(path), tuple(questions)))
        except UserError as error:
            place = questions[0].place
            unread.append(f"{place}: {error}" if place else str(error))
    return images, unread


def _of_example(example: Example, folder: Path) -> tuple[str, Question]:
    fields: Mapping[str, str] = example.fields
    answer = " ".join(fields.get("answer", "").lower().split())
    kind = kind_of(fields["question"], answer)
    path = str(folder / Path(fields["image"].strip()).expanduser())
    return path, Question(fields["question"].strip(), answer, kind, example.place)


def _easy_vqa(split: str) -> list[tuple[str, Question]]:
    found = importlib.util.find_spec("easy_vqa")
    if found is None or found.origin is None:
        raise UserError(
            "--config.data=easy_vqa takes the package easy-vqa, which is not installed: "
            "pip install 'rnnjax[vqa]'"
        )
    folder = Path(found.origin).parent / "data" / split
    return [
        (str(folder / f"images/{number}.png"), Question(text, answer, kind_of(text, answer)))
        for text, answer, number in json.loads((folder / "questions.json").read_text("utf-8"))
    ]
