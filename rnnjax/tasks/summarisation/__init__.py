"""Summarisation: a text in, a short one that says what it is about out."""

LOADED_BY = {"summarisation": "summarizer"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
