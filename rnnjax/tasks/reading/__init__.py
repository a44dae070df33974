"""Reading: a story and a question in, the answer out, with the sentences that it was found in."""

LOADED_BY = {"reading": "reading_model"}
