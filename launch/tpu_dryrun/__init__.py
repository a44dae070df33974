"""Time and memory of a training step on a TPU slice, found by compiling it for that slice."""
