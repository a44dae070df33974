"""flax.nnx shells that hold parameters; time is scanned by `rnnjax.unroll`."""

from rnnjax.models.generation import generate
from rnnjax.models.inspection import Findings, LayerFindings, inspect
from rnnjax.models.language_model import LanguageModel, window_loss
from rnnjax.models.recurrent import Recurrent
from rnnjax.models.scoring import SymbolScores, score

__all__ = [
    "Findings",
    "LanguageModel",
    "LayerFindings",
    "Recurrent",
    "SymbolScores",
    "generate",
    "inspect",
    "score",
    "window_loss",
]
