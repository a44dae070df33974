"""Language models of characters and bytes: text in, text out."""

LOADED_BY = {"char_lm": "text_model"}
