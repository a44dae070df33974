"""Image captioning: images in, sentences out."""

LOADED_BY = {"captioning": "image_captioner"}
"""Experiments of this room, and the module whose `load` restores what they have trained."""
