"""Interchangeable executions of the same recurrence."""
