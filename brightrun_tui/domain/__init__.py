"""Plain pydantic models and pure functions. Imports nothing else of ours."""
