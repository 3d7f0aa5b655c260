"""A tiny domain for tests: bright discs on dark noise, found by their brightness. Runs in seconds."""
