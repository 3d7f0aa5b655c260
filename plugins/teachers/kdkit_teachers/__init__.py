"""Teachers for any domain."""
