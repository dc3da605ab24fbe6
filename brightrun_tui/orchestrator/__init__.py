"""The engine: one background process per data directory that moves runs, endpoints and money."""
