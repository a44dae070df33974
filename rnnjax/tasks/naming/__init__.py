"""Naming: names letter by letter, of a class or of none, and which class a name belongs to."""

LOADED_BY = {"naming": "name_model"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
