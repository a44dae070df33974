"""flax.nnx shells that hold parameters; time is scanned by `rnnjax.unroll`."""

from rnnjax.models.caption_ensemble import CaptionEnsemble
from rnnjax.models.caption_likelihood import CaptionLoss, caption_loss
from rnnjax.models.caption_reward import RewardLoss, reward_loss
from rnnjax.models.captioner import (
    Captioner,
    Decoder,
    Drawn,
    Glance,
    HardGradient,
    HardTraining,
    Locations,
    Reading,
)
from rnnjax.models.characters import CharacterCNN, CharacterLSTM
from rnnjax.models.efficientnet import (
    FEATURE_MAPS,
    EfficientNetLite0,
    FeatureMap,
    ImageNetClassifier,
)
from rnnjax.models.encoder import SmallCNN
from rnnjax.models.generation import generate
from rnnjax.models.inspection import Findings, LayerFindings, inspect
from rnnjax.models.language_model import LanguageModel, window_loss
from rnnjax.models.recurrent import Recurrent
from rnnjax.models.scoring import SymbolScores, score
from rnnjax.models.tagger import Tagger, Tagging, best_tags, mask_of, tag, tagging_loss
from rnnjax.models.word_features import WordFeatures

__all__ = [
    "FEATURE_MAPS",
    "CaptionEnsemble",
    "CaptionLoss",
    "Captioner",
    "CharacterCNN",
    "CharacterLSTM",
    "Decoder",
    "Drawn",
    "EfficientNetLite0",
    "FeatureMap",
    "Findings",
    "Glance",
    "HardGradient",
    "HardTraining",
    "ImageNetClassifier",
    "LanguageModel",
    "LayerFindings",
    "Locations",
    "Reading",
    "Recurrent",
    "RewardLoss",
    "SmallCNN",
    "SymbolScores",
    "Tagger",
    "Tagging",
    "WordFeatures",
    "best_tags",
    "caption_loss",
    "generate",
    "inspect",
    "mask_of",
    "reward_loss",
    "score",
    "tag",
    "tagging_loss",
    "window_loss",
]
