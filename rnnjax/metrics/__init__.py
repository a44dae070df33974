"""Scores that several tasks share."""

from rnnjax.metrics.classification import accuracy, confusion_counts

__all__ = ["accuracy", "confusion_counts"]
