"""Captions of images by a recurrent network that looks where it writes: "Show, attend and tell".

    python -m experiments.captioning                       train on digit scenes, composed here
    python -m experiments.captioning --config.decoder=hard one location a word instead of a mixture
    python -m experiments.captioning --preset=photos --config.data=FOLDER --workdir=runs/mine
    ... --config.objective=bleu --restore_from=runs/mine   learn further, from what it draws

FOLDER holds photographs with captions: Flickr8k, Flickr30k, COCO, or a table of image<TAB>caption.
Then, with the --workdir of the training:

    --mode=evaluate --split=test                           BLEU, ROUGE-L, CIDEr-D, exact captions
    --mode=predict --input=IMAGE_OR_FOLDER                 captions, and pictures of the attention
    --mode=inspect                                         a page: captions, entropy, regions
    --mode=evaluate --ensemble=runs/b --ensemble=runs/c    what several captioners write together

--workdir=FOLDER holds one run (default runs/captioning): checkpoints, metrics.jsonl, report.html.
The same command again resumes a run that was stopped, and ends with the same parameters bit for
bit.
"""

import dataclasses
import json
from pathlib import Path

import jax
from flax import nnx

from experiments import cli
from experiments.start import begin, stored_model, stored_vocabulary
from rnnjax import data, training
from rnnjax.errors import UserError
from rnnjax.tasks import captioning
from rnnjax.tasks.captioning.captioner import Captioner, Locations
from rnnjax.tasks.captioning.ensemble import CaptionEnsemble
from rnnjax.tasks.captioning.image_paths import images_at
from rnnjax.tasks.captioning.pages import caption_scores_section, gallery_section
from rnnjax.tasks.captioning.vocabulary import CaptionVocabulary
from rnnjax.training import setting

NAME = "captioning"

SHOWN = 12
"""Images of the report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The flags of the single modes."""

    split: str = setting("test", "Modes evaluate, inspect: which split.")
    input: str | None = setting(None, "Mode predict: an image, or a folder of images.")
    output: str | None = setting(None, "Mode predict: a folder. Default: predictions in --workdir.")
    beam_size: int = setting(5, "Captions pursued side by side; 1: the likeliest word each time.")
    length_penalty: float = setting(
        0.6, "Exponent of the length that scores are divided by; 0 favours short captions."
    )
    ensemble: tuple[str, ...] = setting(
        (),
        "All modes but train: a workdir whose captioner writes along with that of --workdir; may "
        "be given several times. What they write goes to WORKDIR/ensemble.",
    )


Config = captioning.CaptionerConfig

PHOTOS = Config(
    encoder="efficientnet", resize="crop", min_count=5, batch_size=32, num_steps=8000,
    learning_rate=1e-3, clip_norm=5.0, hidden_size=512, embed_size=256, attention_size=256,
    feature_size=256, dropout=0.5, label_smoothing=0.1, eval_every=2000, checkpoint_every=500,
    warmup_steps=200, average_decay=0.999,
)  # fmt: skip
PRESETS = {
    "default": cli.Preset(
        "Digit scenes, soft attention: four minutes on two recent CPU cores.",
        Config(
            optimizer="muon", batch_size=16, num_steps=5000, learning_rate=3e-3, clip_norm=5.0,
            average_decay=0.998, embed_size=128, num_counts=4, swap_rate=0.2,
            detection_weight=2.0, detection_steps=1500, eval_every=2500, checkpoint_every=1000,
            soft_steps=1000, soft_rate=0.0,
        ),
    ),
    "photos": cli.Preset(
        "Photographs with captions, by a frozen ImageNet network: --config.data=FOLDER.", PHOTOS
    ),
    "xu2015": cli.Preset(
        "Sizes of Xu et al. 2015: 512 numbers for words, 1000 units, doubly stochastic attention.",
        dataclasses.replace(
            PHOTOS, embed_size=512, hidden_size=1000, attention_size=512, feature_size=512,
            label_smoothing=0.0, spread_weight=1.0, batch_size=64, num_steps=20000,
        ),
    ),
}  # fmt: skip


def metric(config: Config) -> str:
    """What decides which checkpoint is best."""
    return "exact" if config.data == captioning.SCENES else "bleu4"


def unit(config: Config) -> str:
    """What the loss is in nats of; empty where it is not in nats."""
    return "" if config.draws else "word"


def abstract_task(config: Config) -> training.Task:
    """What `train` trains, in shapes; of photographs as many words as are assumed, not counted."""
    shapes = captioning.abstract_data(config)
    model = nnx.eval_shape(
        lambda: captioning.make_captioner(config, shapes.vocab_size, shapes.locations)
    )
    graph, params = nnx.split(model, nnx.Param)
    return training.Task(
        captioning.make_loss(config, graph, shapes.reward),
        params,
        carry=jax.eval_shape(captioning.initial_carry),
        batch=shapes.batch,
        units=shapes.num_words,
        unit="word",
    )


def train(run: cli.Run) -> None:
    """Trains, then scores the held-out splits and writes the report."""
    config = run.config
    if run.options.ensemble:
        raise UserError("--ensemble is for captioners that are trained: not for mode train")
    start = begin(run, NAME)
    if config.draws and not start.source:
        raise UserError(
            f"--config.objective={config.objective} is for a captioner that can write already: "
            "name its workdir or checkpoint with --restore_from"
        )
    vocabulary = vocabulary_of(start.source, config) if start.source else None
    prepared = captioning.prepare(config, vocabulary)
    start.check_corpus(prepared.digest, f"the images and captions of {config.data}")
    model = captioning.make_captioner(config, len(prepared.vocabulary), prepared.locations)
    graph, params = nnx.split(model, nnx.Param)
    training.say(prepared.description)
    params = start.initial(params)
    extra = {
        "vocabulary": prepared.vocabulary.to_json(),
        "corpus": prepared.digest,
        "locations": json.dumps(model.locations),
        "max_length": str(prepared.max_length),
    }
    result = training.fit(
        config,
        captioning.make_loss(config, graph, prepared.reward),
        params,
        data.iterator(prepared.batches, run.placement.rows, workers=config.data_workers),
        workdir=start.workdir._replace(extra=extra),
        carry=captioning.initial_carry(),
        evaluate=captioning.make_evaluation(
            graph,
            prepared.vocabulary,
            prepared.validation,
            max_length=prepared.max_length,
            placement=run.placement,
        ),
        metric=metric(config),
        higher_is_better=True,
        unit=unit(config),
        speed_unit="word",
        placement=run.placement,
        profile=run.profile,
    )
    if not training.processes.is_first():
        return
    captioner = restored(run)
    sections = []
    for split in captioning.held_out_splits(config):
        images = captioning.load_split(config, split)
        captions, scores = scored(run, captioner, images)
        training.say(captioning.scores_text(scores, split))
        captioning.write_scores(scores, split, run.workdir)
        sections.append(caption_scores_section(scores.captions, f"Scores, {split}"))
    shown = captioning.captioned(images, captions, range(min(SHOWN, len(images))))
    sections.append(gallery_section("Captions", shown))
    start.report(
        result,
        title="Captions of images",
        results={f"validation {metric(config)}": -(result.best_so_far.best_score or 0.0)},
        sections=sections,
        unit="word",
        metric=metric(config),
    )


def vocabulary_of(folder: str | Path, config: Config) -> CaptionVocabulary:
    """The vocabulary that a checkpoint was trained with, which must be of the config's level."""
    return stored_vocabulary(folder, CaptionVocabulary.from_json, "level", config.level)


def restored(run: cli.Run) -> captioning.ImageCaptioner:
    """The trained captioner of a workdir, best checkpoint, and those that write along with it."""
    vocabulary = vocabulary_of(run.workdir, run.config)
    model = restored_model(run.workdir, run.config, vocabulary)
    if not run.options.ensemble:
        return captioning.ImageCaptioner(model, vocabulary)
    others = [companion(folder, run, vocabulary) for folder in run.options.ensemble]
    return captioning.ImageCaptioner(CaptionEnsemble([model, *others]), vocabulary)


def restored_model(folder: str | Path, config: Config, vocabulary: CaptionVocabulary) -> Captioner:
    """The network of a workdir."""
    locations = Locations(*json.loads(training.read_meta(folder).extra["locations"]))
    return stored_model(
        folder, lambda: captioning.make_captioner(config, len(vocabulary), locations)
    )


def companion(folder: str, run: cli.Run, vocabulary: CaptionVocabulary) -> Captioner:
    """The network of another workdir, to write along with that of a run.

    Raises:
        UserError: it has other words, or gets images in another form.
    """
    training.check_owner(Path(folder), NAME)
    config = cli.stored_config(folder, Config)
    for name, value in config.sight.items():
        if value != run.config.sight[name]:
            raise UserError(
                f"--ensemble={folder} was trained with --config.{name}={value}, "
                f"{run.workdir} with {run.config.sight[name]}: both have to see the same"
            )
    if vocabulary_of(folder, config) != vocabulary:
        raise UserError(f"--ensemble={folder} was trained with other words than {run.workdir}")
    return restored_model(folder, config, vocabulary)


def results_folder(run: cli.Run) -> Path:
    """Where it goes what the captioners of a run write."""
    return run.workdir / "ensemble" if run.options.ensemble else run.workdir


def search(run: cli.Run) -> captioning.Search:
    """How captions are looked for."""
    options = run.options
    length = int(training.read_meta(run.workdir).extra["max_length"])
    return captioning.Search(options.beam_size, options.length_penalty, length)


def scored(
    run: cli.Run, captioner: captioning.ImageCaptioner, split: captioning.Split
) -> tuple[list[captioning.Caption], captioning.SplitScores]:
    """The captions of a split, and how good they are."""
    captions = captioner.write(split, search(run))
    return captions, captioning.score(split, captions, captioner.read(split))


def evaluate(run: cli.Run) -> None:
    """Prints the scores of a split; writes scores.json and captions.json."""
    captioner = restored(run)
    split = captioning.load_split(run.config, run.options.split)
    captions, scores = scored(run, captioner, split)
    folder = results_folder(run)
    captioning.write_scores(scores, run.options.split, folder)
    captioning.write_captions(split, captions, folder)
    print(captioning.scores_text(scores, run.options.split))


def predict(run: cli.Run) -> None:
    """Captions an image or a folder; writes captions.json and pictures of the attention."""
    if not run.options.input:
        raise UserError("mode predict takes --input=IMAGE_OR_FOLDER")
    output = Path(run.options.output or results_folder(run) / "predictions")
    images = images_at(run.options.input)
    split = captioning.split_of(run.config, images)
    captions = restored(run).write(split, search(run))
    captioning.write_captions(split, captions, output)
    captioning.write_overlays(split, captions, output)
    for name, caption in zip(split.names, captions, strict=True):
        print(f"{name}: {caption.text}")
    print(f"{len(captions):,} captions: {output}")


def inspect(run: cli.Run) -> None:
    """Writes inspect.html: captions good and bad, the attention's entropy, attended regions."""
    captioner = restored(run)
    split = captioning.load_split(run.config, run.options.split)
    captions, scores = scored(run, captioner, split)
    print(captioning.scores_text(scores, run.options.split))
    folder = results_folder(run)
    print(captioning.write_inspection(split, captions, scores, run.options.split, folder))


MODES = {"train": train, "evaluate": evaluate, "predict": predict, "inspect": inspect}


def main(argv: list[str] | None = None) -> None:
    """Runs the experiment; see the top of this file."""
    cli.main(NAME, about=__doc__ or "", presets=PRESETS, options=Options(), modes=MODES, argv=argv)


if __name__ == "__main__":
    main()
