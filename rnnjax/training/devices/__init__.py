"""Where arrays live: meshes, placement, batches on their way to a device."""
