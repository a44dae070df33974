"""Translation: a sequence of words in, another one out."""

LOADED_BY = {"translation": "translator"}
