"""The model card of an export: the version's own, with how this form is used and how near it is to what was graded."""

from __future__ import annotations

from brightrun_tui.serving.export_measure import Fidelity

_USE = """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = AutoModelForCausalLM.from_pretrained(".", dtype="auto")
messages = [{"role": "user", "content": "Hello"}]
inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
output = model.generate(**inputs, max_new_tokens=256, do_sample=False)  # ends with its turn: generation_config.json
print(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
```

With vLLM: `vllm serve .`
"""


def export_card(card: str, form: str, dtype: str, found: Fidelity, weights: str) -> str:
    """The card for a merged directory, or for a GGUF file of the name ``weights``."""
    head, _, _ = card.partition("\n## Use\n")
    library = "transformers" if form == "merged" else "gguf"
    head = head.replace("library_name: peft", f"library_name: {library}").replace(
        "base_model_relation: adapter", f"base_model_relation: {'merge' if form == 'merged' else 'quantized'}"
    )
    use = (
        _USE
        if form == "merged"
        else (
            "With Ollama, in this directory: `ollama create my-model -f Modelfile`, then `ollama run my-model`\n\n"
            f"With llama.cpp: `llama-server -m {weights} --jinja`\n"
        )
    )
    return (
        f"{head}\n## Use\n\n{use}\n## This form, measured\n\nThe adapter is merged into {found.base}, stored as {dtype}. "
        f"{found.words} The numbers above are those of the model as it was graded.\n"
    )
