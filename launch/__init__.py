"""Ways to start an experiment on a given kind of machine."""

import experiments  # noqa: F401  It answers Ctrl-C while the rest is imported.
