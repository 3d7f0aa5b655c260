"""Generators for any domain."""
