"""Music as piano rolls, frame by frame: independent notes, or NADE over the notes of a frame.

    python -m experiments.music                                 Bach's chorales (music21)
    python -m experiments.music --config.nade_size=150 --workdir=runs/nade
    python -m experiments.music --config.data=FOLDER_OF_MIDI --workdir=runs/mine
    python -m experiments.music --config.data=JSB_Chorales.mat --workdir=runs/jsb

Then, with the --workdir of the training:

    --mode=generate --num_samples=3                             MIDI files, from nothing
    --mode=generate --input=FILE.mid --prefix=8                 that begin like a file
    --mode=generate --melody=FILE.mid --parallel_fifths         a melody with what lies under it
    --mode=evaluate --split=test                                nats/frame, beside a Markov chain
    --mode=inspect --input=FILE.mid                             a piano roll with probabilities

Measured on two shared cores of an Intel Xeon at 2.5 GHz, jax 0.10.2, seed 0: the first command
takes 2 min 22 s of processor time and reaches 8.7220 nats/frame (a Markov chain 10.0902) on the
test split.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from experiments.experiment import Experiment, Measures, ModeOptions, Preset, Run, Trained
from rnnjax import training
from rnnjax.errors import UserError, counted
from rnnjax.tasks.music import frame_model, midi, preparation, reports
from rnnjax.tasks.music.config import MusicConfig as Config
from rnnjax.tasks.music.pieces import Piece, parallel_fifths
from rnnjax.tasks.music.sources import load_source
from rnnjax.training import setting
from rnnjax.training.config import Positive


@dataclass(frozen=True, kw_only=True)
class Options(ModeOptions):
    """The flags of the single modes."""

    input: str | None = setting(None, "a MIDI file.", modes="generate inspect")
    prefix: Positive = setting(
        1, "how many frames of --input are the first ones.", modes="generate"
    )
    melody: str | None = setting(
        None, "a MIDI file; the highest note of each frame is kept.", modes="generate"
    )
    num_frames: int = setting(64, "frames of a piece, unless a melody decides.", modes="generate")
    num_samples: int = setting(1, "how many pieces.", modes="generate")
    temperature: float = setting(1.0, "divides log-odds; 0 takes the likelier.", modes="generate")
    seed: int = setting(1, "decides the draws; those of the report have 0.", modes="generate")
    parallel_fifths: bool = setting(
        False, "count parallel fifths, and mark them in the picture.", modes="generate inspect"
    )


DEFAULT = Config(num_steps=1500, eval_every=100, log_every=100)
PRESETS = {
    "default": Preset("An LSTM of 200 units, independent notes.", DEFAULT),
    "nade": Preset(
        "With a NADE of 100 over the notes of a frame (Boulanger-Lewandowski et al. 2012).",
        replace(DEFAULT, nade_size=100, batch_size=16),
    ),
}


def report(trained: Trained) -> tuple[dict[str, float], list[training.Section]]:
    """Scores of the held-out splits, and a generated piece under a real one."""
    model, splits = trained.run.trained_model(), trained.prepared.splits
    results: dict[str, float] = {}
    for split in ("test", "validation"):
        if split in splits:
            scores, told = reports.score_split(model, splits, split)
            results |= scores
            training.tell(told)
    found, sections = reports.report_generated(model, splits["validation"])
    training.tell("\n".join(f"{name}: {value:.2f}" for name, value in found.items()))
    return {**results, **found}, sections


def generate(run: Run) -> None:
    """Writes MIDI files and the picture of the first one."""
    options, rate = run.options, run.config.frames_per_quarter
    names = [f"generated_{n}.mid" for n in range(1, options.num_samples + 1)]
    for path in filter(None, (options.input, options.melody)):
        if Path(path).resolve() in {(run.workdir / name).resolve() for name in names}:
            raise UserError(f"{path} would be overwritten by what it begins: rename it first")
    prefix = melody = None
    if options.input:
        prefix = midi.read_midi(options.input, rate).frames[: options.prefix]
    if options.melody:
        melody = midi.read_midi(options.melody, rate).frames
    model = run.trained_model()
    drawn = model.generate(
        options.num_frames,
        prefix=prefix,
        melody=melody,
        num_samples=options.num_samples,
        temperature=options.temperature,
        seed=options.seed,
    )
    pieces = [Piece(Path(name).stem, frames) for name, frames in zip(names, drawn, strict=True)]
    files = {f"{piece.name}.mid": midi.midi_bytes(piece.frames, rate) for piece in pieces}
    last = training.write_results(run.workdir, files)
    print(f"Generated: {last}" + f", the last of {len(files)}" * (len(files) > 1))
    _draw(run, pieces, "generated.png")


def inspect(run: Run) -> None:
    """Draws inspect.png: a piece, and how probable each note was."""
    if run.options.input:
        piece = midi.read_midi(run.options.input, run.config.frames_per_quarter)
    else:
        piece = run.chosen_split(load_source(run.config)[0])[0]
    _draw(run, [piece], "inspect.png")


def _draw(run: Run, pieces: list[Piece], name: str) -> None:
    mark = run.options.parallel_fifths
    for piece in pieces if mark else ():
        times = [str(t) for t, *_ in parallel_fifths(piece.frames)]
        where = f", in the frames {', '.join(times)}" * bool(times)
        print(f"{piece.name}: {counted(len(times), 'parallel fifth')}{where}")
    model = run.trained_model()
    png = reports.draw_pieces(model, pieces[:1], mark_fifths=mark)
    path: str | Path = training.write_results(run.workdir, {name: png})
    print(f"Piano roll ({reports.LEGEND}): {path}")


EXPERIMENT = Experiment(
    name="music",
    summary="writes music as piano rolls; chorales of music21; 2 min; 8.72 nats/frame",
    title="Music",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    prepare=lambda run: preparation.prepare(run.config),
    model=lambda config, prepared: frame_model.make_model(config),
    loss=lambda config, prepared: frame_model.batch_loss,
    shapes=preparation.shapes,
    measures=lambda config: Measures("frame"),
    splits=lambda run, model: load_source(run.config)[0],
    report_scores=lambda model, splits, split, _: (
        reports.score_split(model, splits, split)[1],
        [],
    ),
    report=report,
    modes={"generate": generate, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
