"""Runs side by side: their students' scores, the difference with its interval, and what differs in their recipes."""
