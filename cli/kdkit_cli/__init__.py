"""The command line of kdkit."""
