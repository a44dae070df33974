"""Speech: a recurrent network writes what it hears, by CTC or by a decoder that attends.

    python -m experiments.speech                          Morse code, keyed by hand, in noise
    python -m experiments.speech --config.data=FOLDER --workdir=runs/mine
    python -m experiments.speech --preset=digits --config.data=recordings.tar.gz \\
        --workdir=runs/digits                             Free Spoken Digit Dataset

FOLDER holds a table each whose name says train, valid and test (.tsv, .csv, .jsonl), with the
columns file, a path relative to the table, and text; or folders like those of LibriSpeech. Then,
with the --workdir of the training:

    --mode=evaluate --split=test                          error rates, greedy and with a beam ...
    --mode=evaluate --lm=runs/char_lm                     ... and with a language model
    --mode=predict --input=FILE.wav                       the text; --input may be given repeatedly
    --mode=inspect --index=0                              probabilities over time for a recording
"""

from dataclasses import dataclass, replace
from functools import partial

import rnnjax
from experiments.experiment import Experiment, Measures, ModeOptions, Preset, Run
from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.tasks.speech import network, preparation, reports, speller
from rnnjax.tasks.speech.config import SpeechConfig as Config
from rnnjax.tasks.speech.preparation import SpeechVocabulary
from rnnjax.tasks.speech.sources import load_source
from rnnjax.tasks.speech.speech_model import Search
from rnnjax.training import atomic_files, setting
from rnnjax.training.config import Count


@dataclass(frozen=True, kw_only=True)
class Options(ModeOptions):
    """The flags of the single modes."""

    input: tuple[str, ...] = setting((), "a sound file; may be given repeatedly.", modes="predict")
    output: str | None = setting(None, "the file to write; default: stdout.", modes="predict")
    index: int = setting(0, "which recording of the split, from 0.", modes="inspect")
    beam_size: Count = setting(16, "Prefixes that a search keeps; 0: the likeliest alignment.")
    lm: str | None = setting(None, "Workdir of char_lm or word_lm: a language model that helps.")
    lm_weight: float = setting(0.5, "Weight of its log-probability.")
    bonus: float = setting(0.5, "With --lm: nats for each character (word_lm: each word).")

    @property
    def search(self) -> Search:
        """How the flags say that a text is found."""
        if self.beam_size < 0:
            raise UserError(f"--beam_size is 0 or more; got {self.beam_size}")
        if self.lm is None:
            return Search(self.beam_size)
        return Search(self.beam_size, rnnjax.load(self.lm), self.lm_weight, self.bonus)


DEFAULT = Config(
    num_bands=16, time_masks=0, band_masks=0, num_buckets=4, batch_size=16, num_steps=1200,
    learning_rate=5e-3, eval_every=300, checkpoint_every=600,
)  # fmt: skip
PRESETS = {
    "default": Preset("Morse code in noise: two bidirectional GRU layers.", DEFAULT),
    "digits": Preset(
        "Spoken digits and strings of them: --config.data=recordings.tar.gz (FSDD).",
        replace(
            DEFAULT, num_bands=40, time_masks=1, band_masks=2, num_buckets=5, num_steps=4000,
            hidden_size=128, learning_rate=3e-3, eval_every=500,
        ),
    ),
    "graves2013": Preset(
        "CTC-3l-250h of Graves, Mohamed & Hinton 2013: three bidirectional LSTM layers of 250.",
        Config(
            rate=16000, subsampling="1", time_masks=0, band_masks=0, cell="lstm", hidden_size=250,
            num_layers=3, dropout=0.0, optimizer="sgd", momentum=0.9, learning_rate=1e-4,
            schedule="constant", batch_size=16, num_steps=100_000, average="none",
        ),
    ),
}  # fmt: skip


def predict(run: Run) -> None:
    """Prints or writes a line for each sound file: its path and its text."""
    files = run.needed("input", "FILE.wav, repeatedly")
    atomic_files.check_output(run.options.output)
    found = run.trained_model().transcribe(files)
    lines = "".join(f"{file}\t{one.text}\n" for file, one in zip(files, found, strict=True))
    run.give("Texts", lines)


def inspect(run: Run) -> None:
    """Draws the probabilities over time for a recording."""
    recordings, index = run.chosen_split(load_source(run.config).splits), run.options.index
    if not 0 <= index < len(recordings):
        raise UserError(f"--index is from 0 to {len(recordings) - 1}; got {index}")
    png = reports.draw_recording(run.trained_model(), recordings[index])
    print(f"Picture: {training.write_results(run.workdir, {'over_time.png': png})}")


EXPERIMENT = Experiment(
    name="speech",
    summary="text of sound, by CTC; Morse code in noise; 3 min; 9.6% of characters wrong",
    title="Speech",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=SpeechVocabulary,
    vocabulary_field="rate",
    prepare=lambda run: preparation.prepare(run.config, run.vocabulary()),
    model=lambda config, prepared: speller.make_model(config, len(prepared.vocabulary.symbols)),
    loss=lambda config, prepared: partial(network.batch_loss, config),
    scores=reports.validation_scores,
    shapes=preparation.shapes,
    measures=lambda config: Measures("symbol", "recording", metric="accuracy", scale="%, greedy"),
    splits=lambda run, model: load_source(run.config).splits,
    report_scores=reports.report_scores,
    report=lambda trained: (
        {"validation characters right, %": trained.best},
        trained.tell_scores(),
    ),
    modes={"predict": predict, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
