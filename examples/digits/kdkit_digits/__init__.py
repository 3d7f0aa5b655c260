"""Handwritten digits, distilled without a single digit."""
