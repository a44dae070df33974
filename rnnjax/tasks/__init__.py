"""Tasks: each folder holds the data formats, scores and pictures that only this task has.

Its `LOADED_BY` names its experiments, and the module whose `load` restores what they have trained.
"""
