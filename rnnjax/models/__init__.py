"""flax.nnx shells that hold parameters; time is scanned by `rnnjax.unroll`."""

from rnnjax.models.decoder import Decoder, decoding_step, shift_right
from rnnjax.models.language_model import LanguageModel, window_loss
from rnnjax.models.recurrent import Recurrent
from rnnjax.models.seq2seq import Seq2Seq, Source, seq2seq_loss
from rnnjax.models.sequence_classifier import SequenceClassifier, classification_loss
from rnnjax.models.sequence_encoder import SequenceEncoder

__all__ = [
    "Decoder",
    "LanguageModel",
    "Recurrent",
    "Seq2Seq",
    "SequenceClassifier",
    "SequenceEncoder",
    "Source",
    "classification_loss",
    "decoding_step",
    "seq2seq_loss",
    "shift_right",
    "window_loss",
]
