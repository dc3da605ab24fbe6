"""The starter base model: a small Llama that the product makes by itself, offline and repeatably.

As a process: ``python -m brightrun_tui.trainer.starter DIRECTORY [--json]``.
"""

from .build import MARKER, ensure_starter, is_complete
from .recipe import Shape, StarterRecipe

__all__ = ["MARKER", "Shape", "StarterRecipe", "ensure_starter", "is_complete"]
