"""Sequence tagging: sentences in, entities out."""

LOADED_BY = {"ner": "text_tagger"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
