"""Naming: names letter by letter, of a class or of none, and which class a name belongs to."""

LOADED_BY = {"naming": "name_model"}
