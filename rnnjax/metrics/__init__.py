"""Scores that several tasks share."""

from rnnjax.metrics.text import perplexity

__all__ = ["perplexity"]
