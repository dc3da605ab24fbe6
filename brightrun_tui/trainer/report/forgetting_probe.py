"""A small set of everyday questions, the same for every run: what a model forgets while it learns something else.

The loss of base and tuned model on these answers is compared, never trained on. The set is far too small to rank
models by; a clear rise shows that the tuning went too far or the data is too narrow.
"""

from __future__ import annotations

from typing import Any

from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.trainer.data.examples import Example, tokenise
from brightrun_tui.trainer.data.template import ChatTemplate

QUESTIONS = (
    ("What is the capital of France?", "The capital of France is Paris."),
    ("How many days does a week have?", "A week has seven days."),
    ("Translate to German: good morning", "Guten Morgen"),
    ("What is 12 plus 30?", "12 plus 30 is 42."),
    ("Name three colours.", "Red, blue and green."),
    (
        "Why is the sky blue?",
        (
            "Air scatters the short, blue waves of sunlight more than the long, red ones, so blue light "
            "reaches us from every direction."
        ),
    ),
    ("Write a Python function that adds two numbers.", "def add(a, b):\n    return a + b"),
    ("What does a baker do?", "A baker makes bread, rolls and cakes."),
    ("Rewrite politely: Send me the file.", "Could you please send me the file?"),
    ("Which is larger, the sun or the moon?", "The sun is much larger than the moon."),
    ("Is this review positive or negative? “The food was cold and the waiter was rude.”", "Negative."),
    ("Give me the plural of “child”.", "The plural of “child” is “children”."),
    ("What should I do when milk smells sour?", "Throw it away, because sour milk may make you ill."),
    ("List the months of summer in the north.", "June, July and August."),
    ("Who wrote Romeo and Juliet?", "William Shakespeare wrote Romeo and Juliet."),
    (
        "Say in one sentence what the internet is.",
        "The internet is a worldwide network that connects computers so that they can exchange data.",
    ),
)


def probe_examples(tokenizer: Any, template: ChatTemplate) -> list[Example]:
    """Return the set as examples; those that the template refuses are left out."""
    records = [
        Record(
            id=f"general-{number}",
            messages=(Message(role="user", content=question), Message(role="assistant", content=reply)),
        )
        for number, (question, reply) in enumerate(QUESTIONS)
    ]
    return tokenise(tokenizer, template, records).examples
