"""Layers and losses on top of a recurrent network's outputs."""

from rnnjax.heads import crf

__all__ = ["crf"]
