"""Questions about images: the answer, and where in the image it was found."""

LOADED_BY = {"vqa": "vqa_model"}
