"""The base model and the adapter that is trained in it."""
