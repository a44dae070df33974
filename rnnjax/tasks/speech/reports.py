"""Error rates of a split, and a picture of what the network hears and when."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rnnjax import training
from rnnjax.data.prepared import Prepared
from rnnjax.tasks.speech.config import SpeechConfig
from rnnjax.tasks.speech.features import HOP
from rnnjax.tasks.speech.network import SpeechNetwork
from rnnjax.tasks.speech.preparation import import_jiwer
from rnnjax.tasks.speech.recordings import Recording
from rnnjax.tasks.speech.speech_model import Search, SpeechModel
from rnnjax.tasks.speech.speller import Speller
from rnnjax.training.reporting.progress import aligned
from rnnjax.visuals.figures import as_png, new_figure
from rnnjax.visuals.page import Section

GREEDY = Search(beam_size=0)
SHOWN = 0.2
"""A symbol is named in the picture where its probability is above that."""


def error_rates(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Errors of texts in percent, by jiwer.

    `cer`: characters that are substituted, left out or added, by the characters of the references;
    `wer`: words, likewise; `exact`: texts without an error. References without a word do not count
    for `wer` and `cer`.

    Raises:
        UserError: jiwer is not installed.
    """
    jiwer = import_jiwer()
    pairs = [(text, gold) for text, gold in zip(texts, references, strict=True) if gold]
    exact = np.mean([text == gold for text, gold in zip(texts, references, strict=True)])
    if not pairs:
        return {"cer": 0.0, "wer": 0.0, "exact": 100 * float(exact)}
    said, gold = (list(its) for its in zip(*pairs, strict=True))
    return {
        "cer": 100 * jiwer.cer(gold, said),
        "wer": 100 * jiwer.wer(gold, said),
        "exact": 100 * float(exact),
    }


def validation_scores(
    config: SpeechConfig, prepared: Prepared, model: SpeechNetwork | Speller
) -> dict[str, float]:
    """Percentages of the validation split's greedy texts: `accuracy` of characters is 100 - cer."""
    recordings = prepared.splits["validation"]
    speech = SpeechModel(model, prepared.vocabulary, config)
    texts = [one.text for one in speech.transcribe(recordings, GREEDY)]
    rates = error_rates(texts, [one.text for one in recordings])
    return {"accuracy": 100 - rates["cer"], "exact": rates["exact"]}


def report_scores(
    model: SpeechModel, splits: Mapping[str, Sequence[Recording]], split: str, folder: Path
) -> tuple[str, list[Section]]:
    """Writes `scores_SPLIT.json` and `SPLIT.png` into a folder.

    Args:
        model: its beam without and with its language model is compared with greedy decoding.

    Returns:
        The error rates for the terminal, and the sections of a report.
    """
    recordings, search, searches = splits[split], model.search, {"greedy": GREEDY}
    if search.beam_size:
        searches["beam"] = search._replace(language_model=None)
    if search.language_model is not None:
        searches["beam and language model"] = search
    references = [one.text for one in recordings]
    scores = {
        name: error_rates([one.text for one in model.transcribe(recordings, its)], references)
        for name, its in searches.items()
    }
    names = next(iter(scores.values()))
    rows = [(name, *(f"{value:.2f}" for value in its.values())) for name, its in scores.items()]
    table = aligned([("", *names), *rows], numbers=range(1, 1 + len(names)))
    text = f"{split}: {len(recordings):,} recordings; in percent\n{table}"
    png = draw_recording(model, recordings[0])
    path = training.write_results(folder, {f"scores_{split}.json": scores, f"{split}.png": png})
    title = f"What is heard when ({split})"
    return f"{text}\nPicture: {path}", [Section(split, table=text), Section(title, png=png)]


def draw_recording(model: SpeechModel, recording: Recording) -> bytes:
    """Draws what is heard when above the spectrogram of a recording, as a PNG file.

    That is the probability of each symbol, or of a `Speller` its attention at each symbol.
    """
    ((curves, features),) = model.posteriors([recording])
    (said,) = model.transcribe([recording], GREEDY)
    step = HOP * float(np.prod(model.config.factors))
    times = step * (np.arange(len(curves)) + 0.5)
    figure = new_figure(9, 4.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    if isinstance(model.model, Speller):
        above.set(ylabel="attention at a symbol", ylim=(0, 1.15 * curves.max()))
        drawn = [(*one, [one[1].argmax()]) for one in zip(said.text, curves.T, strict=False)]
    else:
        above.plot(times, curves[:, 0], color="0.7", linewidth=1, label="blank")
        above.set(ylabel="probability", ylim=(0, 1.15))
        above.legend(loc="lower right", bbox_to_anchor=(1, 1), fontsize=8, frameon=False)
        pairs = zip(model.vocabulary.symbols, curves[:, 1:].T, strict=True)
        drawn = [(*one, _peaks(one[1])) for one in pairs if one[1].max() > SHOWN]
    for symbol, curve, peaks in drawn:
        (line,) = above.plot(times, curve, linewidth=1.4)
        for at in peaks:
            name = symbol.replace(" ", "\N{OPEN BOX}")
            where = {"ha": "center", "va": "bottom", "color": line.get_color()}
            above.text(times[at], curve[at] + 0.02 * above.get_ylim()[1], name, **where)
    title = f"heard: {said.text}"
    above.set_title(f"{title}      said: {recording.text}" if recording.text else title, loc="left")
    edges = 0, HOP * len(features), 0, features.shape[1]
    below.imshow(features.T, origin="lower", aspect="auto", extent=edges, cmap="magma")
    below.set(xlabel="seconds", ylabel="mel band")
    return as_png(figure)


def _peaks(curve: np.ndarray) -> list[int]:
    before, after = np.append(0, curve[:-1]), np.append(curve[1:], 0)
    return np.flatnonzero((curve > SHOWN) & (curve >= before) & (curve > after)).tolist()
