"""Language models of characters and bytes: text in, text out."""

LOADED_BY = {"char_lm": "text_model"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
