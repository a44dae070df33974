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

import dataclasses
from pathlib import Path

import jax
from flax import nnx

from experiments import cli
from experiments.start import begin, stored_model, stored_vocabulary
from rnnjax import data, training
from rnnjax.errors import UserError
from rnnjax.tasks import tagging
from rnnjax.tasks.tagging.predictions import TaggedSentence
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary
from rnnjax.training import setting

NAME = "ner"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The flags of the single modes."""

    split: str = setting("test", "Modes evaluate, inspect: which split.")
    text: tuple[str, ...] = setting((), "Mode predict: a sentence; may be given several times.")
    input: str | None = setting(
        None, "Mode predict: a file, in columns (.conll, .tsv and the like) or a sentence a line."
    )
    output: str | None = setting(
        None, "Mode predict: where to write; its suffix decides: .conll, .jsonl or .html."
    )


Config = tagging.TaggingConfig

CORPUS = Config(
    batch_size=32, num_steps=4000, learning_rate=2e-3, clip_norm=5.0, eval_every=200,
    checkpoint_every=200,
)  # fmt: skip
SGD = dataclasses.replace(
    CORPUS, batch_size=10, num_steps=70000, optimizer="sgd", schedule="constant", warmup_steps=0,
    average="none", case_size=0, eval_every=1400, checkpoint_every=1400,
)  # fmt: skip
PRESETS = {
    "default": cli.Preset(
        "Sentences that ship with rnnjax: minutes on two CPU cores.",
        Config(batch_size=16, num_steps=1500, learning_rate=2e-3, clip_norm=5.0, swap_rate=0.3),
    ),
    "conll": cli.Preset("For a corpus of thousands of sentences: --config.data=FOLDER.", CORPUS),
    "softmax": cli.Preset(
        "As conll, but each word is tagged by itself.", dataclasses.replace(CORPUS, crf=False)
    ),
    "lample2016": cli.Preset(
        "Lample et al. 2016: characters by an LSTM, dropout before the LSTM only, plain SGD.",
        dataclasses.replace(
            SGD, momentum=0.0, learning_rate=0.01, characters="lstm", character_embed_size=25,
            character_size=50, dropout=0.0,
        ),
    ),
    "ma_hovy2016": cli.Preset(
        "Ma & Hovy 2016: characters by a CNN, dropout before and after the LSTM, SGD with decay.",
        dataclasses.replace(
            SGD, learning_rate=0.015, schedule="inverse", decay_every=28000, hidden_size=200,
            word_dropout=0.0,
        ),
    ),
}  # fmt: skip


def abstract_task(config: Config) -> training.Task:
    """What `train` trains, in shapes: those of the longest sentences."""
    prepared = tagging.prepare_corpus(config, tagging.load_corpus(config))
    model = nnx.eval_shape(lambda: tagging.make_tagger(config, prepared.vocabulary))
    graph, params = nnx.split(model, nnx.Param)
    batches = (prepared.batches[n] for n in range(prepared.batches.batches_per_epoch))
    longest = max(batches, key=lambda batch: batch["words"].size)
    return training.Task(
        tagging.make_loss(graph),
        params,
        carry=None,
        batch=jax.eval_shape(lambda: longest),
        units=config.batch_size,
        unit="sentence",
    )


def train(run: cli.Run) -> None:
    """Trains, then scores the held-out splits and writes the report."""
    config = run.config
    start = begin(run, NAME)
    if start.restore_from and config.vectors:
        raise UserError("--config.vectors would be overwritten by --restore_from: give one of them")
    corpus = tagging.load_corpus(config)
    vocabulary = vocabulary_of(start.source, config) if start.source else None
    prepared = tagging.prepare_corpus(config, corpus, vocabulary)
    start.check_corpus(prepared.digest, f"the sentences of {config.data}")
    model = tagging.make_tagger(config, prepared.vocabulary, prepared.vectors, seed=config.seed)
    graph, params = nnx.split(model, nnx.Param)
    training.say(f"{corpus.describe()}.\n{prepared.describe()}.")
    params = start.initial(params)
    result = training.fit(
        config,
        tagging.make_loss(graph),
        params,
        data.iterator(prepared.batches, run.placement.rows, workers=config.data_workers),
        workdir=start.workdir._replace(
            extra={"vocabulary": prepared.vocabulary.to_json(), "corpus": prepared.digest}
        ),
        evaluate=tagging.make_evaluation(
            graph,
            prepared.vocabulary,
            corpus.splits["validation"],
            batch_size=config.batch_size,
            buckets=prepared.buckets,
            placement=run.placement,
        ),
        metric="f1",
        higher_is_better=True,
        unit="sentence",
        speed_unit="token",
        placement=run.placement,
        profile=run.profile,
    )
    if not training.processes.is_first():
        return
    tagger = restored(run)
    sections = []
    for split in ("validation", "test"):
        if split in corpus.splits:
            tagged = tagger.tag(corpus.splits[split])
            training.say(tagging.report_scores(tagged, split, run.workdir))
            sections += tagging.score_sections(tagged, split)
    start.report(
        result,
        title="Tagger of named entities",
        results={"validation F1": -100 * (result.best_so_far.best_score or 0)},
        sections=sections,
        unit="sentence",
        metric="f1",
    )


def vocabulary_of(folder: str | Path, config: Config) -> TaggingVocabulary:
    """The vocabulary that a checkpoint was trained with, which must be of the config's scheme."""
    return stored_vocabulary(folder, TaggingVocabulary.from_json, "scheme", config.scheme)


def restored(run: cli.Run) -> tagging.TextTagger:
    """The trained tagger of a workdir, best checkpoint."""
    vocabulary = vocabulary_of(run.workdir, run.config)
    model = stored_model(run.workdir, lambda: tagging.make_tagger(run.config, vocabulary))
    return tagging.TextTagger(model, vocabulary)


def tag_split(run: cli.Run, tagger: tagging.TextTagger) -> list[TaggedSentence]:
    """What a tagger makes of the split that --split names."""
    splits = tagging.load_corpus(run.config).splits
    return tagger.tag(splits[cli.chosen("split", run.options.split, splits)])


def evaluate(run: cli.Run) -> None:
    """Prints precision, recall and F1 of a split; writes scores.json."""
    print(tagging.report_scores(tag_split(run, restored(run)), run.options.split, run.workdir))


def predict(run: cli.Run) -> None:
    """Tags texts or a file."""
    options = run.options
    if bool(options.text) == bool(options.input):
        raise UserError("mode predict takes --text=SENTENCE (repeatedly) or --input=FILE")
    if options.output:
        tagging.check_output(options.output)
    if options.input:
        given = tagging.sentences_of_file(
            options.input, token_column=run.config.token_column, encoding=run.config.encoding
        )
    else:
        given = tagging.sentences_of_texts(options.text)
    tagged = given.with_texts(restored(run).tag(given.sentences))
    print(tagging.report_predictions(tagged, options.output))


def inspect(run: cli.Run) -> None:
    """Writes inspect.html: scores, confusions, the CRF's transitions, errors by confidence."""
    tagger = restored(run)
    tagged = tag_split(run, tagger)
    print(tagging.report_inspection(tagger, tagged, run.options.split, run.workdir))


MODES = {"train": train, "evaluate": evaluate, "predict": predict, "inspect": inspect}


def main(argv: list[str] | None = None) -> None:
    """Runs the experiment; see the top of this file."""
    cli.main(NAME, about=__doc__ or "", presets=PRESETS, options=Options(), modes=MODES, argv=argv)


if __name__ == "__main__":
    main()
