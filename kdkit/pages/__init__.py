"""From plain data to HTML: one base template and one style sheet."""
