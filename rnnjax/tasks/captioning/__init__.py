"""Image captioning: images in, sentences out."""

LOADED_BY = {"captioning": "image_captioner"}
