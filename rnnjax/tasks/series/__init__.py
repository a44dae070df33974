"""Series of numbers from CSV files: a forecast of what comes next, or a class of each series."""

LOADED_BY = {"series": "series_model"}
