"""Answering for a teacher over HTTP: its owner shares answers, not weights."""
