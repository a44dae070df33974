"""Scores that several tasks share."""

from rnnjax.metrics.classification import accuracy, confusion_counts
from rnnjax.metrics.text import perplexity

__all__ = ["accuracy", "confusion_counts", "perplexity"]
