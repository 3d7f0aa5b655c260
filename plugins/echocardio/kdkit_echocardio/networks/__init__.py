"""The plugin's networks, as torch modules."""
