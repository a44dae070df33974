"""A tagger of named entities: a bidirectional LSTM-CRF over words and their characters.

    python -m experiments.ner                              train on sentences that ship with rnnjax
    python -m experiments.ner --preset=conll --config.data=FOLDER --workdir=runs/mine

FOLDER holds CoNLL column files: a token a line, its tag in the last column, a blank line after each
sentence; one file each whose name says train, dev (or valid, testa) and test. Then, with the
--workdir of the training:

    --mode=evaluate --split=test                           precision, recall and F1 of each type
    --mode=predict --text="Grace Hopper left Yale."        tag a text, ...
    --mode=predict --input=FILE --output=out.html          ... or a file; also .conll and .jsonl
    --mode=inspect                                         errors, confusions, the CRF's transitions

--workdir=FOLDER holds one run (default runs/ner): checkpoints, metrics.jsonl, report.html. The same
command again resumes a run that was stopped, and ends with the same parameters bit for bit.
"""

from dataclasses import dataclass, replace

from experiments.experiment import Experiment, Measures, ModeOptions, Preset, Run
from rnnjax.errors import UserError
from rnnjax.tasks.tagging import inputs, reports, text_tagger
from rnnjax.tasks.tagging.config import TaggingConfig as Config
from rnnjax.tasks.tagging.corpora import load_tagged
from rnnjax.tasks.tagging.preparation import prepare
from rnnjax.tasks.tagging.tagger import make_tagger
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary
from rnnjax.training import atomic_files, setting


@dataclass(frozen=True, kw_only=True)
class Options(ModeOptions):
    """The flags of the single modes."""

    text: tuple[str, ...] = setting((), "a text; may be given several times.", modes="predict")
    input: str | None = setting(
        None,
        "a file, in columns (.conll, .tsv) or text, whole sentences in a line; -: stdin.",
        modes="predict",
    )
    output: str | None = setting(
        None, "where to write; its suffix decides: .conll, .jsonl or .html.", modes="predict"
    )


CORPUS = Config(
    batch_size=32, num_steps=4000, learning_rate=2e-3, clip_norm=5.0, eval_every=200,
    checkpoint_every=200,
)  # fmt: skip
SGD = replace(
    CORPUS, batch_size=10, num_steps=70000, optimizer="sgd", schedule="constant", warmup_steps=0,
    average="none", case_size=0, eval_every=1400, checkpoint_every=1400,
)  # fmt: skip
PRESETS = {
    "default": Preset(
        "Sentences that ship with rnnjax: minutes on two CPU cores.",
        Config(batch_size=16, num_steps=1500, learning_rate=2e-3, clip_norm=5.0, swap_rate=0.3,
               average_decay=0.998),
    ),
    "conll": Preset("For a corpus of thousands of sentences: --config.data=FOLDER.", CORPUS),
    "softmax": Preset("As conll, but each word is tagged by itself.", replace(CORPUS, crf=False)),
    "lample2016": Preset(
        "Lample et al. 2016: characters by an LSTM, dropout before the LSTM only, plain SGD.",
        replace(
            SGD, momentum=0.0, learning_rate=0.01, characters="lstm", character_embed_size=25,
            character_size=50, dropout=0.0,
        ),
    ),
    "ma_hovy2016": Preset(
        "Ma & Hovy 2016: characters by a CNN, dropout before and after the LSTM, SGD with decay.",
        replace(SGD, learning_rate=0.015, schedule="inverse", decay_every=28000, hidden_size=200,
                word_dropout=0.0),
    ),
}  # fmt: skip


def predict(run: Run) -> None:
    """Tags texts or a file."""
    text, file, output = run.options.text, run.options.input, run.options.output
    if bool(text) == bool(file):
        raise UserError("mode predict takes --text=TEXT (repeatedly) or --input=FILE, not both")
    atomic_files.check_output(output, reports.WRITERS)
    columns = {"token_column": run.config.token_column, "encoding": run.config.encoding}
    given = inputs.sentences_of_file(file, **columns) if file else inputs.sentences_of_texts(text)
    print(reports.report_predictions(run.trained_model().tag(given), output))


def inspect(run: Run) -> None:
    """Writes inspect.html: scores, confusions, the CRF's transitions, errors by confidence."""
    tagger, splits = run.trained_model(), load_tagged(run.config).splits
    tagged = tagger.tag(run.chosen_split(splits))
    print(reports.report_inspection(tagger, tagged, run.options.split, run.workdir))


EXPERIMENT = Experiment(
    name="ner",
    summary="tagger of named entities; bundled sentences; 2 min; F1 75 on names it never saw",
    title="Tagger of named entities",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=TaggingVocabulary,
    vocabulary_field="scheme",
    prepare=lambda run: prepare(run.config, run.vocabulary()),
    model=lambda config, data: make_tagger(config, data.vocabulary, data.vectors, seed=config.seed),
    loss=lambda config, prepared: text_tagger.batch_loss,
    scores=text_tagger.validation_scores,
    measures=lambda config: Measures("sentence", "token", metric="f1", scale="%"),
    splits=lambda run, model: load_tagged(run.config).splits,
    report_scores=reports.report_scores,
    report=lambda trained: ({"validation F1, %": trained.best}, trained.tell_scores()),
    modes={"predict": predict, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
