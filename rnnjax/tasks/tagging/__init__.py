"""Sequence tagging: sentences in, entities out."""

LOADED_BY = {"ner": "text_tagger"}
