"""What stands on top of a recurrent network's outputs."""
