"""Finding plugins, loading each under guard, and the registry of named components."""
