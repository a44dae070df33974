"""Videos, as frames or as the joints of a skeleton: which activity they show, and how soon."""

LOADED_BY = {"activity": "activity_model"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
