"""The experiment file: its schema, how it is read, resolved and written down."""
