"""The output of a run for its user: progress, metrics, curves, the report."""
