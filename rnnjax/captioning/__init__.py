"""A captioner together with its words: images in, sentences out."""

from rnnjax.captioning.assembly import hard_training, initial_carry, make_captioner, make_loss
from rnnjax.captioning.evaluation import make_evaluation
from rnnjax.captioning.feature_files import read_features
from rnnjax.captioning.feature_maps import Features
from rnnjax.captioning.features import Encoder, features_of
from rnnjax.captioning.image_captioner import Caption, ImageCaptioner, Readings, Search
from rnnjax.captioning.preparation import held_out_splits, load_split, prepare, split_of
from rnnjax.captioning.reports import (
    captioned,
    scores_text,
    write_captions,
    write_inspection,
    write_overlays,
    write_scores,
)
from rnnjax.captioning.scoring import SplitScores, score
from rnnjax.captioning.settings import SCENES, CaptionerConfig
from rnnjax.captioning.shapes import abstract_data
from rnnjax.captioning.splits import Split

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
