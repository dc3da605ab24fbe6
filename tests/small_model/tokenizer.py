"""The small model's tokenizer and chat format.

Byte-level BPE (nothing is ever unknown), digits one by one, ChatML turns. The padding token is its own: a
model whose padding is its end-of-turn token learns never to stop.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .corpus import Document

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, END_OF_TEXT, TURN_START, TURN_END = "<|pad|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = (PAD, END_OF_TEXT, TURN_START, TURN_END)
_SPECIAL = re.compile("|".join(map(re.escape, SPECIAL_TOKENS)))

# {% generation %} encloses what the assistant says and its end of turn: exactly what the loss counts.
CHAT_TEMPLATE = """\
{%- macro text(content) -%}
{%- if content is string -%}{{ content }}{%- else -%}
{%- for part in content if part.type == 'text' -%}{{ part.text }}{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.role == 'assistant' -%}
{% generation %}{{- text(message.content) + '<|im_end|>' -}}{% endgeneration %}{{- '\\n' -}}
{%- else -%}
{{- text(message.content) + '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""


def render(document: Document) -> str:
    """The document as the model reads it; for chats the same text the chat template makes."""
    if document.text:
        return document.text + END_OF_TEXT
    turns = (f"{TURN_START}{message['role']}\n{message['content']}{TURN_END}\n" for message in document.messages())
    return "".join(turns) + END_OF_TEXT


def train_tokenizer(documents: Iterable[Document], vocab_size: int) -> Tokenizer:
    """Learn ``vocab_size`` tokens (the special ones and all 256 bytes among them) from the documents."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        show_progress=False,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator((_SPECIAL.split(render(document)) for document in documents), trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, directory: Path, max_length: int) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja as transformers reads them."""
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "padding_side": "right",
        "pad_token": PAD,
        "eos_token": TURN_END,
        "clean_up_tokenization_spaces": False,
        "additional_special_tokens": [TURN_START],
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (directory / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The number of a token that the vocabulary must have: a special one, or a word the corpus is full of."""
    found = tokenizer.token_to_id(token)
    assert found is not None, f"“{token}” must be a token"
    return found
