"""Tasks: each folder holds the data formats, scores and pictures that only this task has."""
