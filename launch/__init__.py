"""Ways to start an experiment on a given kind of machine."""
