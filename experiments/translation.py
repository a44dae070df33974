"""Translation by an encoder and a decoder that attends to what was read.

    python -m experiments.translation                      numbers to words in six languages
    python -m experiments.translation --preset=dates --workdir=runs/dates
    python -m experiments.translation --preset=multi30k --config.data=FOLDER --workdir=runs/de_en
    python -m experiments.translation --preset=sutskever2014 --workdir=runs/no_attention

Numbers and dates take `pip install 'rnnjax[translation]'`. FOLDER holds parallel files such as
train.de, train.en, val.de, val.en, test.de and test.en; preset multi30k reads German and writes
English (--config.source=de --config.target=en). Tables with two columns of texts work as well.
Then, with the --workdir of the training:

    --mode=evaluate --split=test                           BLEU and chrF; numbers: exact ones
    --mode=predict --text="de 7041"                        translations; --input=FILE: of its lines
    --mode=inspect                                         a page: attention, the best, the worst

The same command again resumes a run that was stopped, with the same parameters bit for bit.
"""

import json
from collections.abc import Sequence
from functools import partial

from experiments.experiment import Experiment, Measures, Preset, Run
from experiments.options import TextOptions
from rnnjax.models.decoding import Rated
from rnnjax.tasks.translation import reports
from rnnjax.tasks.translation.config import TranslationConfig as Config
from rnnjax.tasks.translation.preparation import load_pairs, prepare
from rnnjax.tasks.translation.scores import sample, validation_scores
from rnnjax.tasks.translation.translator import batch_loss, first_carry, make_translator
from rnnjax.tasks.translation.vocabulary import VocabularyPair

CORPUS = Config(
    source="de", target="en", cell="gru", level="word", min_count=3, num_subwords=8000,
    hidden_size=256, embed_size=200, attention_size=128, dropout=0.3, label_smoothing=0.1,
    batch_size=64, num_buckets=4, pool=32, num_steps=3600, learning_rate=3e-3, average="none",
    eval_every=900, checkpoint_every=450,
)  # fmt: skip
PRESETS = {
    "default": Preset(
        "Numbers to words in six languages: minutes on two CPU cores.",
        Config(cell="gru", batch_size=64, num_steps=1500, learning_rate=4e-3, eval_every=500,
               num_buckets=4),
    ),
    "dates": Preset(
        "Days as forty locales write them, to ISO 8601.",
        Config(data="dates", cell="gru", batch_size=64, num_steps=2000, learning_rate=4e-3,
               eval_every=500, num_subwords=1000, num_buckets=4),
    ),
    "multi30k": Preset(
        "Captions of Multi30k: a bidirectional GRU with attention, as Bahdanau et al. 2015.", CORPUS
    ),
    "sutskever2014": Preset(
        "No attention: the source read backwards into the first state (Sutskever et al. 2014).",
        Config(context="initial", reverse_source=True, bidirectional=False, num_layers=2,
               batch_size=64, num_steps=1500, eval_every=500, num_buckets=3),
    ),
}  # fmt: skip


def predict(run: Run) -> None:
    """Translates texts, or the lines of a file."""

    def translate(texts: Sequence[str], places: Sequence[str]) -> list[tuple[Rated, ...]]:
        translator = run.trained_model()
        reports.check_lengths(texts, places, translator)
        return [one.rated for one in reports.translate_texts(texts, places, translator)]

    print(run.options.answered(translate, "translate", "translations", run.config.encoding))


def inspect(run: Run) -> None:
    """Writes inspect.html: attention of some translations, of the best and of the worst."""
    split, metric = run.options.split, run.config.metric
    pairs = run.chosen_split(load_pairs(run.config).splits)
    translated = reports.translate_split(pairs, run.trained_model())
    print(reports.report_inspection(translated, split, metric, run.workdir))


EXPERIMENT = Experiment(
    name="translation",
    summary="translator; numbers to words in six languages; 4 min; 99.7% right",
    title="Translation",
    about=__doc__,
    presets=PRESETS,
    options=TextOptions(),
    vocabulary=VocabularyPair,
    vocabulary_field="level",
    prepare=lambda run: prepare(run.config, run.vocabulary()),
    model=lambda config, data: make_translator(config, data.vocabulary, data.vectors),
    loss=lambda config, prepared: partial(batch_loss, config),
    carry=lambda config, model: first_carry(config),
    scores=validation_scores,
    sample=sample,
    stored=lambda data, model: {"lengths": json.dumps(data.lengths)},
    measures=lambda config: Measures("symbol", metric=config.metric, scale="%, greedy"),
    splits=lambda run, model: load_pairs(run.config).splits,
    report_scores=reports.report_scores,
    modes={"predict": predict, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
