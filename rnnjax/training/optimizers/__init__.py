"""Optimizers and schedules by name, and averages of the parameters."""
