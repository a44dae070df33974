"""What a run prints and writes for its user: progress, metrics, curves, the report."""
