"""VQA: a network reads a question about an image, looks at the image, and answers.

    python -m experiments.vqa                              scenes of coloured digits, made up; 258
                                                           CPU seconds, 96.5% right (question
                                                           alone: 24.8%)
    python -m experiments.vqa --preset=easy_vqa --workdir=runs/easy_vqa
    python -m experiments.vqa --config.data=FILE --workdir=runs/mine

FILE is a table (TSV, CSV or JSONL) with the columns image, question and answer; or a folder of them
whose names say train, valid and test. Then, with the --workdir of the training:

    --mode=evaluate --split=test                           the scores by kind of question
    --mode=predict --image=FILE --question="How many digits are red?"
    --mode=predict --input=FILE                            the questions of a table; with
                                                           --output=out.html or .jsonl where it
                                                           looked
    --mode=inspect                                         errors and right answers, with the places
                                                           that it looked at
"""

from dataclasses import dataclass, replace

from experiments.experiment import Experiment, Measures, ModeOptions, Preset, Run
from rnnjax import training
from rnnjax.data.question_vocabulary import QuestionVocabulary
from rnnjax.errors import UserError
from rnnjax.tasks.vqa import preparation, reports, sources, vqa_model
from rnnjax.tasks.vqa.config import VqaConfig as Config
from rnnjax.tasks.vqa.questions import AskedImage, Question, questions_of
from rnnjax.training import atomic_files, setting


@dataclass(frozen=True, kw_only=True)
class Options(ModeOptions):
    """The flags of the single modes."""

    image: str | None = setting(None, "an image.", modes="predict")
    question: tuple[str, ...] = setting(
        (), "a question about it; may be given several times.", modes="predict"
    )
    input: str | None = setting(None, "a table of images and questions.", modes="predict")
    output: str | None = setting(None, "where to write, .jsonl or .html.", modes="predict")


DEFAULT = Config(
    num_steps=6000, optimizer="muon", learning_rate=3e-3, weight_decay=0.05, eval_every=500,
    checkpoint_every=500,
)  # fmt: skip
PRESETS = {
    "default": Preset("Scenes of coloured digits, made up: CNN, LSTM, three looks.", DEFAULT),
    "yang2016": Preset(
        "The scenes by the equations of Yang et al. 2016: what is read is added to the query.",
        replace(DEFAULT, update="sum", hops=2),
    ),
    "easy_vqa": Preset(
        "Shapes in colours of the package easy-vqa (pip install 'rnnjax[vqa]').",
        replace(DEFAULT, data="easy_vqa", image_size=64, hops=2, num_steps=2000),
    ),
}


def predict(run: Run) -> None:
    """Answers questions about an image, or those of a table."""
    options, model = run.options, run.trained_model()
    atomic_files.check_output(options.output, reports.OUTPUTS)
    if bool(options.image) == bool(options.input) or bool(options.image) != bool(options.question):
        raise UserError(
            "mode predict takes --image=FILE with --question=TEXT, or --input=FILE: a table of "
            "images and questions"
        )
    places: list[str] = []
    if options.image:
        questions = tuple(Question(text) for text in options.question)
        images = [AskedImage(options.image, model.read(options.image), questions)]
    else:
        asked = sources.read_questions(options.input, run.config, answered=False)
        places = [question.place for _, question in asked]
        images, unread = sources.read_images(asked, model.read)
        for line in unread:
            training.say(f"Left out: {line}")
        if not images:
            raise UserError(f"{options.input}: no image can be read: {unread[0]}")
    for line in model.vocabulary.note_unknown(one.text for one in questions_of(images)):
        training.say(line)
    print(reports.report_predictions(model, images, options.output, places))


def inspect(run: Run) -> None:
    """Writes inspect.html: errors and right answers, with the places that were looked at."""
    images = run.chosen_split(sources.load_splits(run.config)[0])
    pairs = reports.pairs_of(run.trained_model(), images)
    page, title = reports.inspect_page(pairs, run.options.split)
    print(f"{title}: {training.write_results(run.workdir, {'inspect.html': page})}")


EXPERIMENT = Experiment(
    name="vqa",
    summary="answers questions about images; digit scenes; 3 min; 96.5% right, no image 24.8%",
    title="Questions about images",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=QuestionVocabulary,
    prepare=lambda run: preparation.prepare(run.config, run.vocabulary()),
    model=lambda config, prepared: vqa_model.make_model(config, prepared.vocabulary),
    loss=lambda config, prepared: vqa_model.batch_loss,
    measures=lambda config: Measures("question", "word", metric="accuracy", scale="%"),
    splits=lambda run, model: sources.load_splits(run.config)[0],
    report_scores=reports.report_scores,
    modes={"predict": predict, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
