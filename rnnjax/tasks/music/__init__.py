"""Music: piano rolls, frame by frame, as distributions over which of 88 notes sound."""

LOADED_BY = {"music": "music_model"}
