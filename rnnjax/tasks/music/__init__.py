"""Music: piano rolls, frame by frame, as distributions over which of 88 notes sound."""

LOADED_BY = {"music": "music_model"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
