"""A captioner together with its words: images in, sentences out."""

from rnnjax.tasks.captioning.abstract_data import abstract_data
from rnnjax.tasks.captioning.assembly import hard_training, initial_carry, make_captioner, make_loss
from rnnjax.tasks.captioning.config import SCENES, CaptionerConfig
from rnnjax.tasks.captioning.evaluation import make_evaluation
from rnnjax.tasks.captioning.feature_files import read_features
from rnnjax.tasks.captioning.features import Features
from rnnjax.tasks.captioning.features import Encoder, features_of
from rnnjax.tasks.captioning.image_captioner import Caption, ImageCaptioner, Readings, Search
from rnnjax.tasks.captioning.preparation import held_out_splits, load_split, prepare, split_of
from rnnjax.tasks.captioning.reports import (
    captioned,
    scores_text,
    write_captions,
    write_inspection,
    write_overlays,
    write_scores,
)
from rnnjax.tasks.captioning.scoring import SplitScores, score
from rnnjax.tasks.captioning.splits import Split

__all__ = [
    "SCENES",
    "Caption",
    "CaptionerConfig",
    "Encoder",
    "Features",
    "ImageCaptioner",
    "Readings",
    "Search",
    "Split",
    "SplitScores",
    "abstract_data",
    "captioned",
    "features_of",
    "hard_training",
    "held_out_splits",
    "initial_carry",
    "load_split",
    "make_captioner",
    "make_evaluation",
    "make_loss",
    "prepare",
    "read_features",
    "score",
    "scores_text",
    "split_of",
    "write_captions",
    "write_inspection",
    "write_overlays",
    "write_scores",
]
