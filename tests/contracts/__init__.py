"""What everything that is registered must keep, ours and whatever else is installed: ``python -m pytest tests/contracts``."""
