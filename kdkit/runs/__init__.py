"""A run: its artifacts, its folder, and the student that it leaves there."""
