"""Speech: a recording becomes text, by connectionist temporal classification."""

LOADED_BY = {"speech": "speech_model"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
