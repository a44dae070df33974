"""Reading: a story and a question in, the answer out, with the sentences that it was found in."""

LOADED_BY = {"reading": "reading_model"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
