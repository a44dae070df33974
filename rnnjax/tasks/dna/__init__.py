"""DNA: the class of a sequence, or the genes in it."""

LOADED_BY = {"dna": "dna_model"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
