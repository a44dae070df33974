"""DRAW: a recurrent variational autoencoder that paints an image on a canvas, step by step."""

LOADED_BY = {"draw": "painter"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
