"""Captions of images by a recurrent network that looks where it writes: "Show, attend and tell".

    python -m experiments.captioning                       train on digit scenes, composed here
    python -m experiments.captioning --config.decoder=hard one location a word instead of a mixture
    python -m experiments.captioning --preset=photos --config.data=FOLDER --workdir=runs/mine

FOLDER holds photographs with captions: Flickr8k, Flickr30k, COCO, or a table of image<TAB>caption.
Then, with the --workdir of the training:

    --mode=evaluate --split=test                           BLEU, ROUGE-L, CIDEr-D, exact captions
    --mode=predict --input=IMAGE_OR_FOLDER                 captions, and pictures of the attention
    --mode=inspect                                         a page: captions, entropy, regions

--workdir=FOLDER holds one run (default runs/captioning): checkpoints, metrics.jsonl, report.html.
The same command again resumes a run that was stopped, with the same parameters bit for bit.
"""

import json
from dataclasses import dataclass, replace
from functools import partial

from experiments.experiment import Experiment, Measures, Preset, Run
from experiments.options import BeamOptions
from rnnjax.tasks.captioning import image_captioner, likelihood_loss, reports
from rnnjax.tasks.captioning.captioned_images import CaptionVocabulary, images_at
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.preparation import abstract_data, prepare
from rnnjax.tasks.captioning.splits import split_of, splits_of
from rnnjax.training import say, setting


@dataclass(frozen=True, kw_only=True)
class Options(BeamOptions):
    """The flags of the single modes."""

    input: str | None = setting(None, "an image, or a folder of images.", modes="predict")
    output: str | None = setting(
        None, "a folder. Default: predictions in --workdir.", modes="predict"
    )


PHOTOS = CaptionerConfig(
    encoder="efficientnet", resize="crop", min_count=5, batch_size=32, num_steps=8000,
    learning_rate=1e-3, clip_norm=5.0, hidden_size=512, embed_size=256, attention_size=256,
    feature_size=256, dropout=0.5, label_smoothing=0.1, eval_every=2000, checkpoint_every=500,
    warmup_steps=200, average_decay=0.999,
)  # fmt: skip
DEFAULT = CaptionerConfig(
    optimizer="muon", batch_size=16, num_steps=5000, learning_rate=3e-3, clip_norm=5.0,
    embed_size=128, num_counts=4, swap_rate=0.2, detection_weight=2.0, detection_steps=1500,
    eval_every=2500, checkpoint_every=1000, soft_steps=1000, soft_rate=0.0,
)  # fmt: skip
PRESETS = {
    "default": Preset(
        "Digit scenes, soft attention: four minutes on two recent CPU cores.", DEFAULT),
    "quick": Preset("Smaller scenes and a smaller network, few updates.", replace(
        DEFAULT.of_length(50), num_buckets=1, optimizer="adam", image_size=48, hidden_size=64,
        embed_size=32, attention_size=16, feature_size=40,
    )),
    "photos": Preset(
        "Photographs with captions, by a frozen ImageNet network: --config.data=FOLDER.", PHOTOS
    ),
    "xu2015": Preset(
        "Sizes of Xu et al. 2015: 512 numbers for words, 1000 units, doubly stochastic attention.",
        replace(
            PHOTOS, embed_size=512, hidden_size=1000, attention_size=512, feature_size=512,
            label_smoothing=0.0, spread_weight=1.0, batch_size=64, num_steps=20000,
        ),
    ),
}  # fmt: skip


def predict(run: Run) -> None:
    """Captions the images that can be read; writes captions.json and pictures of the attention."""
    images = images_at(run.needed("input", "IMAGE_OR_FOLDER"))
    split = split_of(replace(run.config, skip_faulty=True), images)
    for fault in split.skipped:
        say(f"Left out: {fault}")
    print(reports.report_captions(split, run.trained_model(), run.workdir, run.options.output))


def inspect(run: Run) -> None:
    """Writes inspect.html: captions good and bad, the attention's entropy, attended regions."""
    split = split_of(run.config, run.chosen_split(splits_of(run.config)))
    print(reports.report_inspection(split, run.options.split, run.trained_model(), run.workdir))


EXPERIMENT = Experiment(
    name="captioning",
    summary="captions of images; scenes of digits; 4 min; 94% right word for word",
    title="Captions of images",
    about=__doc__,
    presets=PRESETS,
    options=Options(),
    vocabulary=CaptionVocabulary,
    vocabulary_field="level",
    prepare=lambda run: prepare(run.config, run.vocabulary()),
    model=lambda config, data: image_captioner.make_captioner(
        config, data.vocab_size, data.locations
    ),
    loss=lambda config, prepared: partial(likelihood_loss.batch_loss, config),
    carry=lambda config, model: likelihood_loss.initial_carry(),
    scores=image_captioner.validation_scores,
    sample=image_captioner.sample,
    stored=lambda prepared, model: {
        "locations": json.dumps(model.locations),
        "max_length": str(prepared.max_length),
    },
    shapes=abstract_data,
    measures=lambda config: Measures("word", metric=config.metric, scale="%, greedy"),
    splits=lambda run, model: splits_of(run.config),
    report_scores=reports.report_scores,
    modes={"predict": predict, "inspect": inspect},
)

if __name__ == "__main__":
    EXPERIMENT.main()
