"""The settings of a captioner and of its data, as flags know them."""

import dataclasses
from typing import Annotated, Literal, get_args

from rnnjax.data import ResizePolicy
from rnnjax.data.word_vocabulary import WordLevel
from rnnjax.errors import UserError
from rnnjax.models.decoder import Context
from rnnjax.models.hard_attention import HardGradient, HardTraining
from rnnjax.models.small_cnn import SmallCNN
from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import Count, Limits, NetworkConfig, Positive, Rate, Share, Weight

Encoder = Literal["cnn", "efficientnet"]

SCENES = "embedded"
"""The data that are composed on the fly: digit scenes."""


def _names(kind) -> str:
    return ", ".join(get_args(kind))


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionData(TrainingConfig):
    """Which images and captions, and how they are prepared."""

    heading = "Data"

    data: str = setting(SCENES, "embedded (digit scenes), a folder or file, or tfds:NAME.")
    images: str | None = setting(None, "Folder of the images, if not near the captions.")
    held_out: float | None = setting(
        None, "Share of the images for validation, and for testing, of a corpus without splits."
    )
    skip_faulty: bool = setting(False, "Leave out faulty images and captions instead of stopping.")
    encoding: str = setting("utf-8", "Encoding of the caption files.")
    level: WordLevel = setting("word", f"What a caption is made of: {_names(WordLevel)}.")
    min_count: Positive = setting(1, "Level word: words that are rarer are unknown.")
    num_subwords: Annotated[int, Limits(8)] = setting(2000, "Level subword: how many symbols.")
    num_buckets: Positive = setting(4, "Lengths that captions are padded to.")
    image_size: Annotated[int, Limits(8)] = setting(
        56, "Side that images are resized to, in pixels; encoder cnn."
    )
    resize: ResizePolicy = setting(
        "crop", f"What becomes of images that are not square: {_names(ResizePolicy)}."
    )
    features: str | None = setting(
        None, "Feature file, .npz or .npy with names: images are not read at all."
    )
    cache: str = setting("runs/features", "Folder for the features of frozen encoders.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionerConfig(CaptionData, NetworkConfig):
    """All that decides a run."""

    heading = "Model"
    phases = ("soft_steps", "detection_steps")

    encoder: Encoder = setting("cnn", f"Reads images: {_names(Encoder)} (for photos; frozen).")
    decoder: Context = setting(
        "soft", f"How the decoder sees the image: {_names(Context)}; see models.Decoder."
    )
    hard_gradient: HardGradient = setting(
        "reinforce", f"Decoder hard: how it learns where to look, {_names(HardGradient)}."
    )
    soft_rate: Share = setting(0.5, "Decoder hard: share of captions read with soft attention.")
    soft_steps: Count = setting(
        0, "Decoder hard: updates at first in which all captions are read with soft attention."
    )
    label_smoothing: Rate = setting(0.0, "Share of each target that goes to all words alike.")
    spread_weight: Weight = setting(
        0.0,
        "Weight of the doubly stochastic regulariser: each location gets attention of 1 in all.",
    )
    detection_weight: Weight = setting(
        0.0, "Weight of finding each word of a caption in its image; helps encoder cnn to start."
    )
    detection_steps: Count = setting(
        0, "Updates in which detection_weight sinks to 0; 0: it stays."
    )
    hidden_size: Positive = setting(192, "H, units of a layer.")
    embed_size: Positive = setting(64, "D, numbers that a word is turned into.")
    attention_size: Positive = setting(64, "A, units of the attention's hidden layer.")
    num_counts: Count = setting(
        0, "Decoders soft, hard: how many counts of locations it is told besides what is there."
    )
    feature_size: Positive = setting(120, "F, numbers for each location that the decoder sees.")
    dropout: Rate = setting(0.0, "On words and before the output layer.")
    swap_rate: Rate = setting(
        0.0, "Share of the words read that are swapped for another caption's."
    )

    @property
    def hard(self) -> HardTraining:
        """How hard attention is trained."""
        return HardTraining(self.hard_gradient, soft_rate=self.soft_rate)

    @property
    def metric(self) -> str:
        """The number of an evaluation that decides which checkpoint is best."""
        return "exact" if self.data == SCENES else "bleu4"

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        if self.encoder == "cnn" and not self.features:
            self.check_at_least(SmallCNN.least_features, "feature_size")
        if self.data == SCENES:
            self._check_scenes()

    def _check_scenes(self) -> None:
        for name, only in (("encoder", "cnn"), ("features", None), ("level", "word")):
            value = getattr(self, name)
            if value != only:
                raise UserError(
                    f"--config.{name}={value} is not for digit scenes, which --config.data={SCENES}"
                    f" asks for: name a folder of captioned images with --config.data"
                )
