"""How gradients vanish and explode, for cells side by side."""
