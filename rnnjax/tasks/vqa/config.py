"""The settings of the task."""

import dataclasses
from typing import Annotated, get_args

from rnnjax.data.images import ResizePolicy
from rnnjax.errors import UserError
from rnnjax.models.hop import Update
from rnnjax.models.small_cnn import STRIDE, SmallCNN
from rnnjax.tasks.vqa.scenes import SIDE
from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import Limits, NetworkConfig, Positive, Rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class VqaConfig(TrainingConfig, NetworkConfig):
    """All that decides a run."""

    heading = "Data"

    data: str = setting(
        "embedded",
        "embedded, easy_vqa, a TSV, CSV or JSONL file, or a folder of them whose names say train, "
        "valid and test.",
    )
    image_column: str = setting("image", "Column of the image's path, relative to the file.")
    question_column: str = setting("question", "Column of the question.")
    answer_column: str = setting("answer", "Column of the answer.")
    encoding: str = setting("utf-8", "Encoding of the files.")
    image_size: Annotated[int, Limits(most=1024)] = setting(
        SIDE, "Height and width that images are brought to, in pixels."
    )
    resize: ResizePolicy = setting(
        "pad", f"How images are made square: {', '.join(get_args(ResizePolicy))}."
    )
    batch_size: Positive = setting(16, "B, images side by side.")
    questions: Positive = setting(9, "K, questions of an image in a batch, at most.")
    embed_size: Positive = setting(32, "D, numbers that a word is turned into.")
    hidden_size: Positive = setting(96, "H, units that read a question; width of a location.")
    feature_size: Annotated[int, Limits(SmallCNN.least_features)] = setting(
        60, "F, numbers that the CNN turns a location into."
    )
    attention_size: Positive = setting(96, "A, hidden layer of the attention.")
    hops: Annotated[int, Limits(0, 10)] = setting(
        3, "N, how often the image is looked at; 0: the question alone."
    )
    update: Update = setting(
        "layer", "What a hop makes of query and image: layer, or sum as Yang et al. 2016."
    )
    dropout: Rate = setting(0.0, "On words' vectors and before the answer, a mask a question.")

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        if self.image_size < STRIDE or self.image_size % STRIDE:
            raise UserError(
                f"--config.image_size is a multiple of {STRIDE} pixels; got {self.image_size}"
            )
        if self.data == "embedded":
            self.check_at_least(SIDE, "image_size")
