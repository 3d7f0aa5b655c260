"""Metrics of the core's own, for any domain."""
