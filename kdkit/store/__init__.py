"""Samples and targets on disk."""
