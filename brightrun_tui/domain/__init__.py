"""Plain pydantic models and pure functions. Imports nothing else of ours.

Models say ``defer_build``: each is built when the first of its kind is made or read. Building them all would be a good part of
what opening the app takes.
"""
