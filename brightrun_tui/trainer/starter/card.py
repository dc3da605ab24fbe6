"""The model card of the starter."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from .recipe import StarterRecipe

_CARD = """\
---
license: apache-2.0
language: en
pipeline_tag: text-generation
tags: [brightrun-starter]
---

# Bright Run starter

A very small language model, made on this machine by Bright Run itself: a Llama of {layers} layers, hidden size {hidden},
{vocab} tokens. It writes short, simple English, answers everyday questions in a general way and ends its turns. It is
there to learn the way with: any run that works on it works on a Llama or Qwen from the Hub.

- **Data.** Only text that Bright Run generates: little stories, simple facts, definitions, instructions and chats. No
  text of other people. About {tokens:,} tokens, each seen once.
- **Format.** ChatML (`<|im_start|>role … <|im_end|>`); the chat template marks what the assistant says. `<|im_end|>` ends
  a turn; padding has its own token.
- **Training.** {steps} steps of {rows} rows of {length} tokens; Muon for the matrices, Adam for the rest; fixed seed. The
  same recipe gives the same weights on the same kind of processor.
- **Limits.** It knows little, reasons not at all, and states wrong things calmly. Do not rely on its answers. Texts longer
  than {length} tokens are unlike anything it has seen.

Recipe {version}: `{recipe}`
"""


def write_card(directory: Path, recipe: StarterRecipe) -> None:
    """Write README.md."""
    shape = recipe.shape
    text = _CARD.format(
        layers=shape.num_hidden_layers, hidden=shape.hidden_size, vocab=f"{shape.vocab_size:,}", steps=recipe.steps,
        rows=recipe.rows, length=recipe.row_length, tokens=recipe.steps * recipe.rows * recipe.row_length,
        version=recipe.fingerprint(), recipe=asdict(recipe))
    (directory / "README.md").write_text(text, encoding="utf-8")
