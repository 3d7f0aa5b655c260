"""A sweep: the runs of every combination of some values of a recipe, and what they show together."""
