"""The model card of an export: the version's own, with how this form is used and how near it is to what was graded."""

from __future__ import annotations

import re
from collections.abc import Mapping

from brightrun_tui.serving.fidelity import ANSWER_TOKENS, Fidelity

_USE = """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = AutoModelForCausalLM.from_pretrained(".", dtype="auto")
messages = [{"role": "user", "content": "Hello"}]
inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
output = model.generate(**inputs, max_new_tokens=256, do_sample=False)  # ends with its turn: generation_config.json
print(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
```

With vLLM: `vllm serve . --dtype {dtype}`

With MLX on a Mac (written from its documentation, not run): `mlx_lm.generate --model . --prompt "Hello" --temp 0`
"""


_CHOSEN = (
    "Both choose tokens as the model's own settings say, as its endpoint does; without these words they would draw them at\n"
    "random, and answer differently from the samples above. They also round what they compute with, so an answer that hung in\n"
    "the balance can still be another one."
)

_OPTIONS = {
    "temperature": "--temp",
    "top_k": "--top-k",
    "top_p": "--top-p",
    "min_p": "--min-p",
    "repeat_penalty": "--repeat-penalty",
}
"""Of llama.cpp's server, by its names for what they set."""


def export_card(card: str, form: str, dtype: str, found: Fidelity, weights: str, choosing: Mapping[str, float]) -> str:
    """Return the card for a merged directory, or for a GGUF file of the name ``weights``. ``choosing``: how tokens are chosen."""
    head, _, _ = card.partition("\n## Use\n")
    library = "transformers" if form == "merged" else "gguf"
    head = head.replace("library_name: peft", f"library_name: {library}").replace(
        "base_model_relation: adapter", f"base_model_relation: {'merge' if form == 'merged' else 'quantized'}"
    )
    options = " ".join(f"{_OPTIONS[name]} {value:g}" for name, value in choosing.items())
    use = (
        _USE.replace("{dtype}", dtype)
        if form == "merged"
        else (
            "With Ollama, in this directory: `ollama create my-model -f Modelfile`, then `ollama run my-model`\n\n"
            f"With llama.cpp: `llama-server -m {weights} --jinja {options}`\n\n"
            f"{_CHOSEN}\n"
        )
    )
    return (
        f"{head}\n## Use\n\n{use}\n## This form, measured\n\nThe adapter is merged into {found.base}, stored as {dtype}. "
        f"{found.words} The numbers above are those of the model as it was graded.\n{_others(found)}"
    )


def _others(found: Fidelity) -> str:
    """Return the answers that are other words, beside those of the graded model; empty if there is none."""
    told = [
        f"**Asked**\n\n{_fenced(each.question)}\n\n**The graded model**\n\n{_fenced(each.graded)}\n\n**This form**\n\n"
        f"{_fenced(each.export)}\n"
        for each in found.others
    ]
    head = f"\n### What it answers in other words\n\nThe first {ANSWER_TOKENS} tokens of each answer.\n\n"
    return head + "\n---\n\n".join(told) if told else ""


def _fenced(text: str) -> str:
    """Return a code block that the text cannot end."""
    shown = text.strip() or "(nothing)"
    fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    return f"{fence}text\n{shown}\n{fence}"
