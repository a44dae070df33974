"""Profiling of training steps: a trace of some steps, and a table of operations."""
