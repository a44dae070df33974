"""Reading: a recurrent network reads a story and a question, and answers.

    python -m experiments.reading                          stories of a small world, made up; 3
                                                           minutes, 80% right (a plain LSTM: 48%)
    python -m experiments.reading --preset=babi --config.data=FOLDER --workdir=runs/babi
    python -m experiments.reading --config.data=FILE --workdir=runs/mine

FOLDER holds the files of the bAbI tasks (qa1_..._train.txt, qa1_..._test.txt and so on), or files
in that format whose names say train, valid and test; one file is divided by story. Then, with the
--workdir of the training:

    --mode=evaluate --split=test                  the scores by kind of question, facts found
    --mode=predict --story="Ada went to the attic. Bela ran to the forest." \\
        --question="Where is Ada?"                the answer, and the sentences it was found in
    --mode=predict --input=FILE                   the questions of a file; --output=out.html or
                                                  .jsonl has the attention of each hop
    --mode=inspect                                errors, with the stories shaded by attention
"""

from dataclasses import dataclass, replace
from functools import partial

from experiments.experiment import Experiment, Measures, ModeOptions, Preset, Run
from rnnjax import data, training
from rnnjax.data.files import name_of
from rnnjax.data.question_vocabulary import QuestionVocabulary
from rnnjax.errors import UserError
from rnnjax.tasks.reading import preparation, reading_model, reports
from rnnjax.tasks.reading.babi import Question, read_questions, sentences_of
from rnnjax.tasks.reading.config import ReadingConfig as Config
from rnnjax.tasks.reading.sources import Splits, load_questions
from rnnjax.training import atomic_files, setting
from rnnjax.visuals.page import render_page


@dataclass(frozen=True, kw_only=True)
class Options(ModeOptions):
    """The flags of the single modes."""

    story: str | None = setting(None, "a text.", modes="predict")
    question: tuple[str, ...] = setting(
        (), "a question about the story; may be given several times.", modes="predict"
    )
    input: str | None = setting(
        None,
        "a file of bAbI or a table; with --question a text to ask about; -: stdin.",
        modes="predict",
    )
    output: str | None = setting(None, "where to write, .jsonl or .html.", modes="predict")


DEFAULT = Config(num_steps=5000, learning_rate=3e-3, eval_every=250, checkpoint_every=250)
PRESETS = {
    "default": Preset("People, places and things of a small world: three minutes.", DEFAULT),
    "attentive_reader": Preset(
        "One hop, as the attentive reader of Hermann et al. 2015.", replace(DEFAULT, hops=1)
    ),
    "babi": Preset(
        "The 20 bAbI tasks, one model for all, 3 hops as Sukhbaatar et al. 2015: "
        "--config.data=FOLDER.",
        replace(DEFAULT, num_steps=6000, num_buckets=5, eval_every=500, checkpoint_every=500),
    ),
}


def splits_of(run: Run) -> Splits:
    """The questions of a run by split."""
    return load_questions(run.config.data, encoding=run.config.encoding)[0]


def predict(run: Run) -> None:
    """Answers questions about a text, or those of a file."""
    options, encoding = run.options, run.config.encoding
    atomic_files.check_output(options.output, reports.OUTPUTS)
    if bool(options.story) == bool(options.input) or (options.story and not options.question):
        raise UserError(
            "mode predict takes --story=TEXT with --question=TEXT, or --input=FILE: a bAbI file "
            "or a table, or with --question=TEXT a text"
        )
    if options.question:
        text = options.story or data.read_text(options.input, encoding=encoding)
        if not (story := sentences_of(text)):
            raise UserError(
                f"{name_of(options.input or '--story')} has no sentence: expected a story"
            )
        questions = [Question(story, text) for text in options.question]
    else:
        questions = read_questions(options.input, answered=False, encoding=encoding)
    model = run.trained_model()
    told = reports.report_predictions(model, questions, options.output)
    for line in model.vocabulary.note_unknown(preparation.texts_of(questions)):
        training.say(line)
    print(told)


def inspect(run: Run) -> None:
    """Writes inspect.html: the most confident errors, with their stories shaded by attention."""
    questions = run.chosen_split(splits_of(run))
    model = run.trained_model()
    section = reports.errors_section(questions, model.answer(questions))
    page = render_page("Inside the reader", run.options.split, {}, [section])
    print(f"{section.title}: {training.write_results(run.workdir, {'inspect.html': page})}")


EXPERIMENT = Experiment(
    name="reading",
    summary="answers questions about a story; made-up world; 3 min; 80% right, plain LSTM 48%",
    title="Reading",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=QuestionVocabulary,
    prepare=lambda run: preparation.prepare(run.config, run.vocabulary()),
    model=lambda config, data: reading_model.make_model(config, data.vocabulary, data.vectors),
    loss=lambda config, data: partial(reading_model.batch_loss, config.supervise_attention),
    measures=lambda config: Measures("question", "sentence", metric="accuracy", scale="%"),
    splits=lambda run, model: splits_of(run),
    report_scores=reports.report_scores,
    modes={"predict": predict, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
