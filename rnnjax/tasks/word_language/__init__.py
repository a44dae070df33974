"""Language models of words: the next word of a sentence, and which sentence is likelier."""

LOADED_BY = {"word_lm": "word_model"}
