"""The experiment file: its schema, how it is read and resolved, and how it is shown."""
