"""DNA: a recurrent network finds the genes of a sequence, or says the class of a sequence.

    python -m experiments.dna                              genes made by the genetic code
    python -m experiments.dna --config.data=FOLDER --workdir=runs/mine
    python -m experiments.dna --preset=splice --config.data=FILE.csv --workdir=runs/splice

Genes: FOLDER holds a table each (.tsv, .csv, .jsonl) whose name says train, valid and test, with
the columns sequence and tags. A base has the tag O (outside of genes, untranslated), E (coding) or
I (intron). Classes (--config.problem=classes): the columns sequence and label. One file is divided.
Then, with the --workdir of the training:

    --mode=evaluate --split=test               scores of a split, beside a baseline
    --mode=predict --sequence=ACGT...          the class, or the genes as GFF3 ...
    --mode=predict --input=FILE --output=OUT   ... of each sequence of a table or of FASTA
    --mode=inspect                             a page: what the network looks at
    --mode=crossvalidate --folds=10            classes: trains once a fold, tests each sequence once
"""

from dataclasses import dataclass, replace
from functools import partial

from experiments.experiment import Experiment, Measures, ModeOptions, Preset, Run
from rnnjax.errors import UserError
from rnnjax.tasks.dna import cross_validation, pictures, preparation, reports
from rnnjax.tasks.dna.config import DnaConfig as Config
from rnnjax.tasks.dna.networks import batch_loss, make_model
from rnnjax.tasks.dna.preparation import DnaVocabulary
from rnnjax.tasks.dna.sources import load_sequences
from rnnjax.training import atomic_files, setting


@dataclass(frozen=True, kw_only=True)
class Options(ModeOptions):
    """The flags of the single modes."""

    sequence: tuple[str, ...] = setting((), "a sequence; may be given repeatedly.", modes="predict")
    input: str | None = setting(None, "a table or a FASTA file of sequences.", modes="predict")
    output: str | None = setting(None, "the file to write; default: stdout.", modes="predict")
    folds: int = setting(10, "how many; 0: one for each sequence.", modes="crossvalidate")


CLASSES = Config(
    problem="classes", cell="gru", hidden_size=32, positions=60, dropout=0.3, num_buckets=1,
    num_steps=600, learning_rate=3e-3, eval_every=50, checkpoint_every=200,
)  # fmt: skip
PRESETS = {
    "default": Preset(
        "Genes made by the genetic code: a bidirectional GRU with a CRF.",
        Config(
            cell="gru", hidden_size=48, batch_size=16, num_steps=600, learning_rate=5e-3,
            eval_every=50, checkpoint_every=100,
        ),
    ),
    "splice": Preset(
        "Splice junctions (UCI, 3,190 sequences): --config.data=splice.csv, ten folds.", CLASSES
    ),
    "promoters": Preset(
        "Promoters of E. coli (UCI, 106 sequences): --config.data=promoters.data, --folds=0.",
        replace(
            CLASSES, sequence_column="2", label_column="0", positions=57, kmer=1, pooling="mean",
            dropout=0.5, num_steps=200, learning_rate=5e-3,
        ),
    ),
}  # fmt: skip


def predict(run: Run) -> None:
    """Prints or writes the classes of sequences as TSV, or their genes as GFF3."""
    sequences, file, output = run.options.sequence, run.options.input, run.options.output
    if bool(sequences) == bool(file):
        raise UserError("mode predict takes --sequence=ACGT (repeatedly) or --input=FILE, not both")
    atomic_files.check_output(output)
    found = reports.predictions(run.trained_model(), sequences, file)
    run.give("Predictions", found)


def inspect(run: Run) -> None:
    """Writes inspect.html: pictures of a split."""
    split = run.chosen_split(load_sequences(run.config))
    print(pictures.report_inspection(run.trained_model(), split, run.workdir))


def crossvalidate(run: Run) -> None:
    """Trains with the config of the run, once for each fold of all its sequences."""
    print(cross_validation.report(run.config, run.options.folds, run.workdir))


def measures(config: Config) -> Measures:
    """The loss of genes is in nats a base, that of classes in nats a sequence."""
    if config.problem == "genes":
        return Measures("base", metric="f1", scale="%")
    return Measures("sequence", metric="accuracy", scale="%")


EXPERIMENT = Experiment(
    name="dna",
    summary="genes in DNA, or classes of it; made genes; 4 min; coding F1 97.8, 72% exact",
    title="DNA",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=DnaVocabulary,
    vocabulary_field="problem",
    prepare=lambda run: preparation.prepare(run.config, run.vocabulary()),
    model=lambda config, prepared: make_model(config, prepared.vocabulary),
    loss=lambda config, prepared: partial(batch_loss, config),
    measures=measures,
    splits=lambda run, model: load_sequences(run.config),
    report_scores=reports.report_scores,
    modes={"predict": predict, "inspect": inspect, "crossvalidate": crossvalidate},
)

if __name__ == "__main__":
    EXPERIMENT.main()
