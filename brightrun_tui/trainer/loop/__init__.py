"""The training itself: steps, checkpoints, and what they need of memory and time."""
