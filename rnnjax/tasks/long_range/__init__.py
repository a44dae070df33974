"""Problems that ask for memory over a distance: adding, copying, agreement of subject and verb."""

LOADED_BY = {"long_range": "memory_model"}
