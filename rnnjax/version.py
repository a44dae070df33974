"""The version, in one place; setup.cfg reads it without importing anything else."""

__version__ = "0.1.0.dev0"
