"""Videos, as frames or as the joints of a skeleton: which activity they show, and how soon."""

LOADED_BY = {"activity": "activity_model"}
