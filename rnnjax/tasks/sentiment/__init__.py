"""Sentiment: the words of a text in, its class or its number of stars out."""

LOADED_BY = {"sentiment": "sentiment_model"}
