"""Where the time of a command goes: pieces of work, operations within them, and what the machine did meanwhile."""
