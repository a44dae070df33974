"""Sequential MNIST: the pixels of a handwritten digit in, one a step; which digit it is, out."""

LOADED_BY = {"sequential_mnist": "classifier"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
