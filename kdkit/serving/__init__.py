"""Serving a teacher over HTTP: its owner shares logits, not weights."""
