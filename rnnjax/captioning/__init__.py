"""Pictures in, sentences out: what stands between the files of a corpus and a captioner."""

from rnnjax.captioning.feature_files import read_features
from rnnjax.captioning.feature_maps import Features
from rnnjax.captioning.features import Encoder, features_of

__all__ = ["Encoder", "Features", "features_of", "read_features"]
