"""From predictions to scores, differences and verdicts."""
