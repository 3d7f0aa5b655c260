"""Scores of trained models on a user's own labelled data."""
