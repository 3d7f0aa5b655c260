"""The objectives that the core ships: one a file."""
