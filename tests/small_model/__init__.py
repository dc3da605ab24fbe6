"""A small Llama of 1.2 million weights that writes simple English: made from nothing, offline and repeatably, in about a minute.

A base model for tests and benchmarks that are to be cheap and still learn something. ``python -m tests.small_model DIRECTORY``.
"""

from .build import MARKER, ensure_small_model, is_complete, kept_small_model
from .recipe import Recipe, Shape

__all__ = ["MARKER", "Recipe", "Shape", "ensure_small_model", "is_complete", "kept_small_model"]
