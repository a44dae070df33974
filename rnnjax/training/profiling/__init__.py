"""What a training step spends its time on: a trace of some steps, and a table of operations."""
