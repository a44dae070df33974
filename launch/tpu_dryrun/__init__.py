"""What a training step will take of a TPU slice, found by compiling it for that slice."""
