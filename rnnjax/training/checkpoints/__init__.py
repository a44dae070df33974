"""What a run keeps on the disk: its folder, its checkpoints, its best one."""
