"""flax.nnx shells that hold parameters; time is scanned by `rnnjax.unroll`."""

from rnnjax.models.language_model import LanguageModel, window_loss
from rnnjax.models.recurrent import Recurrent

__all__ = [
    "LanguageModel",
    "Recurrent",
    "window_loss",
]
