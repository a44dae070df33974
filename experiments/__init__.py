"""Complete pipelines, one file a task: `python -m experiments.NAME`."""
