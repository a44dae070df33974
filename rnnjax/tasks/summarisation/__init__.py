"""Summarisation: a text in, a short one that says what it is about out."""

LOADED_BY = {"summarisation": "summarizer"}
