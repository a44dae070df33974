"""Predictions and scores of a tagger as files and as lines for the terminal."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rnnjax import training, visuals
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.conll import DOCUMENT_START
from rnnjax.tasks.tagging.entity_scores import Tags, confusion, entity_scores, score_table
from rnnjax.tasks.tagging.pages import errors_section, scores_section, spans_page
from rnnjax.tasks.tagging.schemes import spans_of
from rnnjax.tasks.tagging.sentences import Sentence, TaggedSentence
from rnnjax.tasks.tagging.text_tagger import TextTagger
from rnnjax.training import atomic_files
from rnnjax.visuals.page import Section, render_page

_NOT_IN_COLUMNS = re.compile(rf"[\t\r\n]|^ *$|^ | $|^{DOCUMENT_START}")


def as_conll(sentences: Sequence[TaggedSentence]) -> str:
    """A column file: token, gold tag if all sentences have one, predicted tag, separated by tabs.

    `read_conll` reads it back, and with gold tags the scorer conlleval (`conlleval -d '\\t'`).

    Raises:
        UserError: a token cannot be written to a column.
    """
    with_gold = all(sentence.gold is not None for sentence in sentences)
    lines = []
    for sentence in sentences:
        gold = [sentence.gold or ()] if with_gold else []
        for row in zip(sentence.tokens, *gold, sentence.tags, strict=True):
            if (wrong := next(filter(_NOT_IN_COLUMNS.search, row), None)) is not None:
                raise UserError(
                    f"{sentence.source}: {wrong!r} cannot stand in a column file: expected "
                    f"text without tabs, line ends or spaces around it, and no {DOCUMENT_START}"
                )
            lines.append("\t".join(row))
        lines.append("")
    return "".join(f"{line}\n" for line in lines)


def as_jsonl(sentences: Iterable[TaggedSentence]) -> str:
    """A line of JSON a sentence: `{"tokens": [...], "entities": [...]}`.

    An entity has `start` and `end` (not included) in tokens, `type`, `text` and `score`. Where the
    text of the sentence is known the line has it as `text`, and entities have `start_char` and
    `end_char` in it.
    """
    return atomic_files.as_json_lines(map(_record, sentences))


def _record(sentence: TaggedSentence) -> dict[str, Any]:
    record: dict[str, Any] = {"tokens": list(sentence.tokens), "entities": []}
    for (start, end, kind), score in zip(spans_of(sentence.tags), sentence.scores, strict=True):
        entity = {"start": start, "end": end, "type": kind}
        score = round(float(score), 6)
        if sentence.text is None or sentence.offsets is None:
            entity |= {"text": " ".join(sentence.tokens[start:end]), "score": score}
        else:
            first, last = sentence.offsets[start][0], sentence.offsets[end - 1][1]
            entity |= {"text": sentence.text[first:last], "score": score}
            entity |= {"start_char": first, "end_char": last}
        record["entities"].append(entity)
    return record if sentence.text is None else {"text": sentence.text, **record}


WRITERS: dict[str, Callable[[Sequence[TaggedSentence]], str]] = {
    ".conll": as_conll,
    ".html": spans_page,
    ".jsonl": as_jsonl,
}
"""How predictions are written, by the suffix of the file."""


def report_predictions(sentences: Sequence[TaggedSentence], output: str | None) -> str:
    """Writes predictions to a file, or returns them for the terminal.

    Args:
        output: a path whose suffix is one of `WRITERS`; None: JSON lines for the terminal.

    Raises:
        UserError: the suffix is another, or the file cannot be written.
    """
    if output is None:
        return as_jsonl(sentences).rstrip("\n")
    write = WRITERS[atomic_files.check_output(output, WRITERS)]
    atomic_files.write_text(Path(output), write(sentences))
    return f"{len(sentences):,} sentences: {output}"


def report_scores(
    tagger: TextTagger, splits: Mapping[str, Sequence[Sentence]], split: str, folder: Path
) -> tuple[str, list[Section]]:
    """Writes the scores of a split in percent, `scores_SPLIT.json`.

    Returns:
        A table for the terminal; the scores and the most confident errors for a report.
    """
    tagged = tagger.tag(splits[split])
    scores = entity_scores(*_both(tagged))
    found = {
        "split": split,
        "micro": scores.micro.in_percent(),
        "macro": scores.macro.in_percent(),
        "token_accuracy": 100 * scores.token_accuracy,
        "types": {name: score.in_percent() for name, score in scores.per_type.items()},
    }
    training.say(f"Scores: {training.write_results(folder, {f'scores_{split}.json': found})}")
    sections = [scores_section(scores, split), errors_section(tagged, limit=20)]
    return f"{split}, {len(tagged):,} sentences:\n{score_table(scores)}", sections


def report_inspection(
    tagger: TextTagger, tagged: Sequence[TaggedSentence], title: str, folder: Path
) -> str:
    """Writes `inspect.html` with errors and confusions, and its pictures, into a folder.

    Args:
        tagged: its predictions for sentences with gold tags.

    Returns:
        A summary for the terminal.
    """
    captions = {
        "confusion": "Tokens by the type of their entity: how often each was taken for another."
    }
    pictures = {"confusion": visuals.draw_confusion(*confusion(*_both(tagged)))}
    model = tagger.model
    if model.crf is not None:
        params = model.crf.get_value()
        captions["transitions"] = (
            "The score that the CRF adds where the tag of a row is followed by that of a column: "
            "blue for, red against; hatched: never."
        )
        pictures["transitions"] = visuals.draw_transitions(
            model.tags, params.transitions, params.start, params.end, model.allowed()
        )
    sections = [
        scores_section(entity_scores(*_both(tagged)), title),
        *(Section(name.capitalize(), captions[name], png=png) for name, png in pictures.items()),
        errors_section(tagged),
    ]
    files: dict[str, str | bytes] = {f"inspect_{name}.png": png for name, png in pictures.items()}
    files["inspect.html"] = render_page("Inside the tagger", title, {}, sections)
    page = training.write_results(folder, files)
    wrong = sum(one.gold != one.tags for one in tagged)
    return f"{wrong:,} of {len(tagged):,} sentences of {title} have an error: {page}"


def _both(tagged: Sequence[TaggedSentence]) -> tuple[Tags, Tags]:
    return [one.gold for one in tagged if one.gold is not None], [one.tags for one in tagged]
