"""One experiment with many configs and seeds: processes here or a SLURM array, then a table."""
