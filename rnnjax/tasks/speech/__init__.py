"""Speech: a recording becomes text, by connectionist temporal classification."""

LOADED_BY = {"speech": "speech_model"}
