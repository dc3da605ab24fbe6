"""Bright Run: the terminal control centre for fine-tuning."""

__version__ = "0.1.0"
