"""Predictions and scores of a tagger as files and as lines for the terminal."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rnnjax import training, visuals
from rnnjax.tasks.tagging.entity_scores import Tags, confusion, entity_scores, score_table
from rnnjax.tasks.tagging.pages import errors_section, scores_section, spans_page
from rnnjax.tasks.tagging.predictions import TaggedSentence, as_conll, as_jsonl
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.text_tagger import TextTagger
from rnnjax.training import atomic_files
from rnnjax.visuals.page import Section, render_page

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
