"""Translation: a sequence of words in, another one out."""

LOADED_BY = {"translation": "translator"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
