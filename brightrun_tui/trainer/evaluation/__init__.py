"""How well a model does: loss of held-out examples, and answers to prompts."""
