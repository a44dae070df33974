"""DRAW: a recurrent variational autoencoder that paints an image on a canvas, step by step."""

LOADED_BY = {"draw": "painter"}
