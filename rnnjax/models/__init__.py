"""flax.nnx shells that hold parameters; time is scanned by `rnnjax.unroll`."""

from rnnjax.models.decoder import Decoder
from rnnjax.models.language_model import LanguageModel, score_texts, window_loss
from rnnjax.models.recurrent import Recurrent
from rnnjax.models.seq2seq import Seq2Seq
from rnnjax.models.sequence_classifier import SequenceClassifier, classification_loss

__all__ = [
    "Decoder", "LanguageModel", "Recurrent", "Seq2Seq", "SequenceClassifier",
    "classification_loss", "score_texts", "window_loss",
]  # fmt: skip
