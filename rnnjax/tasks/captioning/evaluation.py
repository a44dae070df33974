"""Held-out images captioned and scored: during training, and by a trained captioner."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flax import nnx

from rnnjax import training
from rnnjax.tasks.captioning import reports
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.image_captioner import Caption, ImageCaptioner, Search
from rnnjax.tasks.captioning.pages import caption_scores_section, gallery_section
from rnnjax.tasks.captioning.preparation import Prepared
from rnnjax.tasks.captioning.scoring import SplitScores, score
from rnnjax.tasks.captioning.splits import Split, held_out_splits, load_split

SHOWN = 12
"""Captions of the report."""


def make_evaluation(
    config: CaptionerConfig,
    graph: nnx.GraphDef,
    prepared: Prepared,
    placement: training.Placement = training.LOCAL,
) -> Callable[[Any], dict[str, float]]:
    """Makes the function that judges parameters on the validation split.

    Args:
        config: of the run.
        graph: of the captioner.
        prepared: its data.
        placement: where the parameters live.

    Returns:
        ``(params) -> {"loss", "bleu4", "exact"}`` and "pointing" where it is known: the loss in
        nats a word of the first references, the others of captions written greedily, 0 to 1.
    """
    del config
    search = Search(beam_size=1, max_length=prepared.max_length)

    def evaluate(params: Any) -> dict[str, float]:
        model = nnx.merge(graph, placement.gather(params))
        captioner = ImageCaptioner(model, prepared.vocabulary)
        _, found = _write_and_score(prepared.validation, captioner, search)
        results = {
            "loss": found.loss,
            "bleu4": found.captions.bleu4 / 100,
            "exact": found.exact,
        }
        if found.pointing is not None:
            results["pointing"] = found.pointing.accuracy
        return results

    return evaluate


def report_held_out(
    config: CaptionerConfig, captioner: ImageCaptioner, search: Search, folder: Path
) -> list[training.Section]:
    """Says how good the captions of the held-out splits are; writes `scores.json` of the last one.

    Args:
        config: of the run.
        captioner: the model.
        search: how captions are looked for.
        folder: where the file goes.

    Returns:
        The scores of each split, and captions of the last one.
    """
    sections = []
    for title in held_out_splits(config):
        split = load_split(config, title)
        captions, scores = _write_and_score(split, captioner, search)
        training.say(reports.scores_text(scores, title))
        reports.write_scores(scores, title, folder)
        sections.append(caption_scores_section(scores.captions, f"Scores, {title}"))
    shown = reports.caption_predictions(split, captions, range(min(SHOWN, len(split))))
    return [*sections, gallery_section("Captions", shown)]


def report_scores(
    split: Split, title: str, captioner: ImageCaptioner, search: Search, folder: Path
) -> str:
    """Writes `scores.json` and `captions.json` of a split; gives the scores for the terminal."""
    captions, scores = _write_and_score(split, captioner, search)
    reports.write_scores(scores, title, folder)
    reports.write_captions(split, captions, folder)
    return reports.scores_text(scores, title)


def report_captions(
    split: Split,
    captioner: ImageCaptioner,
    search: Search,
    folder: Path,
    output: str | None = None,
) -> str:
    """Writes `captions.json` and pictures of the attention; gives captions for the terminal.

    Args:
        split: the images.
        captioner: the model.
        search: how captions are looked for.
        folder: of the run; its `predictions` take the files.
        output: another folder for them.
    """
    target = Path(output or folder / "predictions")
    captions = captioner.write(split, search)
    reports.write_captions(split, captions, target)
    reports.write_overlays(split, captions, target)
    lines = [f"{name}: {one.text}" for name, one in zip(split.names, captions, strict=True)]
    return "\n".join([*lines, f"{len(captions):,} captions: {target}"])


def report_inspection(
    split: Split, title: str, captioner: ImageCaptioner, search: Search, folder: Path
) -> str:
    """Writes `inspect.html` of a split; gives its scores and the path for the terminal."""
    captions, scores = _write_and_score(split, captioner, search)
    page = reports.write_inspection(split, captions, scores, title, folder)
    return f"{reports.scores_text(scores, title)}\n{page}"


def _write_and_score(
    split: Split, captioner: ImageCaptioner, search: Search
) -> tuple[Sequence[Caption], SplitScores]:
    captions = captioner.write(split, search)
    return captions, score(split, captions, captioner.read(split))
