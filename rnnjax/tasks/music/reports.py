"""Scores of a model of music beside those of a Markov chain, and pictures of piano rolls."""

from collections.abc import Sequence

import jax
import numpy as np

from rnnjax.tasks.music.music_model import MusicModel
from rnnjax.tasks.music.pieces import LOWEST, Piece, parallel_fifths
from rnnjax.visuals import Section
from rnnjax.visuals.figures import as_png, new_figure

SHOWN = 80
"""Frames of a picture, at most."""
GENERATED = 10
LEGEND = "shade: probability that a note sounds, given all frames before; square: it does"


def markov_log_probabilities(train: Sequence[Piece], pieces: Sequence[Piece]) -> list[np.ndarray]:
    """log p(frame | the one before it) in nats, `[T]` of each piece, where each note has its own.

    ::

        p(note n sounds | it did or did not in the frame before) = (count + 1) / (all + 2)
    """

    def befores(piece: Piece) -> np.ndarray:
        return np.concatenate([np.zeros_like(piece.frames[:1]), piece.frames[:-1]])

    before = np.concatenate([befores(piece) for piece in train])
    frames = np.concatenate([piece.frames for piece in train])
    on = {
        state: (((before == state) & frames).sum(axis=0) + 1) / ((before == state).sum(axis=0) + 2)
        for state in (False, True)
    }
    found = []
    for piece in pieces:
        p = np.where(befores(piece), on[True], on[False])
        found.append(np.log(np.where(piece.frames, p, 1 - p)).sum(axis=1))
    return found


def nats(log_probabilities: Sequence[np.ndarray], first: int = 0) -> float:
    """The mean of -log p over all frames of all pieces, from frame `first` of each on."""
    return -float(np.concatenate([each[first:] for each in log_probabilities]).mean())


def score_split(
    model: MusicModel, splits: dict[str, list[Piece]], split: str
) -> tuple[dict[str, float], str]:
    """The scores of a split beside those of a Markov chain, by name and in words."""
    pieces = splits[split]
    ours = model.log_probabilities(pieces)
    theirs = markov_log_probabilities(splits["train"], pieces)
    results = {f"{split}, nats/frame": nats(ours), f"{split}, nats/frame of Markov": nats(theirs)}
    told = f"{split}: {nats(ours):.4f} nats/frame (Markov chain {nats(theirs):.4f})"
    if any(len(piece.frames) > 1 for piece in pieces):
        rest, theirs_rest = nats(ours, 1), nats(theirs, 1)
        results[f"{split}, nats/frame without first frames"] = rest
        told += f"; without the first frame of a piece {rest:.4f} ({theirs_rest:.4f})"
    return results, f"{told}; {len(pieces):,} pieces"


def fifths_rate(pieces: Sequence[np.ndarray]) -> float:
    """Parallel fifths in 100 frames of pieces bool `[T, 88]`."""
    count = sum(len(parallel_fifths(frames)) for frames in pieces)
    return 100 * count / sum(map(len, pieces))


def report_generated(
    model: MusicModel, real: Sequence[Piece]
) -> tuple[dict[str, float], list[Section]]:
    """Generates pieces from nothing, seed 0, and draws one of them under a real one.

    Returns:
        Parallel fifths and notes of generated and real frames, and the picture.
    """
    length = min(SHOWN, max(len(piece.frames) for piece in real))
    generated = list(model.generate(length, num_samples=GENERATED))
    frames = [piece.frames for piece in real]
    results = {}
    for name, its in {"real": frames, "generated": generated}.items():
        results[f"{name}, parallel fifths in 100 frames"] = fifths_rate(its)
        results[f"{name}, notes a frame"] = float(np.concatenate(its).sum(axis=1).mean())
    pieces = [real[0], Piece("generated from nothing, seed 0", generated[0])]
    return results, [Section(f"Piano rolls ({LEGEND})", png=draw_pieces(model, pieces))]


def draw_pieces(model: MusicModel, pieces: Sequence[Piece], *, mark_fifths: bool = False) -> bytes:
    """Draws piano rolls, one under the other, with the probabilities of their notes, as a PNG file.

    Args:
        pieces: of which the first `SHOWN` frames are drawn.
    """
    pieces = [piece._replace(frames=piece.frames[:SHOWN]) for piece in pieces]
    used = np.flatnonzero(np.any([piece.frames.any(axis=0) for piece in pieces], axis=0))
    low, high = (used[0] - 2, used[-1] + 2) if len(used) else (0, LOWEST)
    figure = new_figure(9, 3.4 * len(pieces), dpi=90)
    every = figure.subplots(len(pieces), squeeze=False)[:, 0]
    for axes, piece, odds in zip(every, pieces, model.log_odds(pieces), strict=True):
        p = np.asarray(jax.nn.sigmoid(odds))
        axes.imshow(p.T, origin="lower", aspect="auto", cmap="Blues", vmin=0, vmax=1,
                    interpolation="nearest")  # fmt: skip
        axes.plot(*np.nonzero(piece.frames), "s", mfc="none", mec="#1a202c", ms=4, mew=0.8)
        if mark_fifths:
            found = parallel_fifths(piece.frames)
            marks = [(t, note) for t, *notes in found for note in notes]
            axes.plot(*np.array(marks).reshape(-1, 2).T, "s", mfc="none", mec="#e53e3e", ms=8)
        octaves = [key for key in range(3, len(p.T), 12) if low <= key <= high]
        axes.set_yticks(octaves, [f"C{(key + LOWEST) // 12 - 1}" for key in octaves])
        axes.set_ylim(low - 0.5, high + 0.5)
        axes.set(xlabel="frame", ylabel="pitch")
        axes.set_title(piece.name, fontsize=10, loc="left", parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
    fifths = "; red: a parallel fifth" if mark_fifths else ""
    key = "square: a note sounds; shade: its probability, given all frames before"
    return as_png(figure, key + fifths)
