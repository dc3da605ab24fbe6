"""A directory that looks to transformers like one model: links to the base model's weights, beside the adapter.

``from_pretrained`` on a directory with both ``config.json`` and ``adapter_config.json`` loads the base from that
directory and attaches the adapter to it, quantised or not. So nothing is merged and nothing is copied.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brightrun_tui import foreign_files
from brightrun_tui.domain.chat_template import takes_tools
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, UsageError
from brightrun_tui.domain.run_directory import ADAPTER_CONFIG, ADAPTER_WEIGHTS

VIEW = "view"
MAX_TEMPLATE_BYTES = 16 << 20

ADAPTER_FILES = (ADAPTER_CONFIG, ADAPTER_WEIGHTS)
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
)
WEIGHT_PATTERNS = (
    "model*.safetensors",
    "model.safetensors.index.json",
    "pytorch_model*.bin",
    "pytorch_model.bin.index.json",
)


@dataclass(frozen=True)
class ViewFacts:
    """What the gate needs to know of the model. ``context_length`` and ``vocabulary`` in tokens, 0 when unknown."""

    context_length: int
    vocabulary: int
    greedy: bool
    tools: bool


def build_view(
    target: Path,
    *,
    base: str,
    base_id: str,
    adapter: Path,
    ref: str,
    weights_elsewhere: bool = False,
    base_alone: bool = False,
) -> ViewFacts:
    """Make ``target`` the view of the directory ``base`` with ``adapter``; replaces an older view.

    With ``weights_elsewhere`` it has what prompts are made with, and neither model. With ``base_alone`` it has no adapter, and
    still the tokenizer, the chat template and the ends of answers that came with it: both are asked alike.

    Raises:
        BaseModelError: the base model is not on this machine, or has no weights.
        UsageError: the adapter's files are not complete.
        OSError: the place cannot be written.
    """
    weights = [] if weights_elsewhere else _base_weights(base, base_id)
    root = Path(base)
    for name in ADAPTER_FILES:
        if not (adapter / name).is_file():
            raise UsageError(
                f"{ref} has no {name}",
                where=str(adapter),
                fix="register or import the model again",
                kind=ErrorKind.ADAPTER_INCOMPLETE,
            )
    tokenizer = adapter if (adapter / "tokenizer_config.json").is_file() else root
    config = _read_json(root / "config.json")
    generation = generation_settings(root, adapter, tokenizer)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    aside.mkdir()
    try:
        for source in [
            root / "config.json",
            *weights,
            *(adapter / name for name in ADAPTER_FILES if not (weights_elsewhere or base_alone)),
            *(tokenizer / name for name in TOKENIZER_FILES if (tokenizer / name).is_file()),
        ]:
            (aside / source.name).symlink_to(source.resolve())
        greedy = not generation.get("do_sample", False)
        # With do_sample off, transformers would ignore the temperature a caller asks for.
        (aside / "generation_config.json").write_text(
            json.dumps({"top_k": 0} | generation | {"do_sample": True}, indent=2)
        )
        shutil.rmtree(target, ignore_errors=True)
        os.rename(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    text = config.get("text_config") or config
    return ViewFacts(
        context_length=_count(text, "max_position_embeddings"),
        vocabulary=_count(text, "vocab_size"),
        greedy=greedy,
        tools=takes_tools(_chat_template(tokenizer)),
    )


def _base_weights(directory: str, base_id: str) -> list[Path]:
    base = Path(directory)
    fix = f"fetch “{base_id}” again, or register the model on a machine that has it"
    if not directory or not (base / "config.json").is_file():
        raise BaseModelError(
            f"the base model “{base_id}” is not on this machine", where=directory, fix=fix, kind=ErrorKind.BASE_MISSING
        )
    weights = sorted({path for pattern in WEIGHT_PATTERNS for path in base.glob(pattern) if path.is_file()})
    if any(path.suffix == ".safetensors" for path in weights):
        weights = [path for path in weights if not path.name.startswith("pytorch_model")]
    if not weights:
        raise BaseModelError(
            f"the base model “{base_id}” has no weights", where=directory, fix=fix, kind=ErrorKind.BASE_WITHOUT_WEIGHTS
        )
    return weights


def generation_settings(base: Path, adapter: Path, tokenizer: Path) -> dict[str, Any]:
    """Return the base model's generation settings; an answer also ends with what the adapter was trained to end it with.

    Arguments are directories.

    Raises:
        BaseModelError: one of their files is not a JSON.
    """
    generation = _read_json(base / "generation_config.json")
    ends = [
        *_ids(generation.get("eos_token_id", _read_json(base / "config.json").get("eos_token_id"))),
        *_ids(_read_json(adapter / "generation_config.json").get("eos_token_id")),
        *_ids(_token_id(tokenizer, _read_json(tokenizer / "tokenizer_config.json").get("eos_token"))),
    ]
    return generation | ({"eos_token_id": list(dict.fromkeys(ends))} if ends else {})


def generation_defaults(directory: Path) -> dict[str, Any]:
    """Return the generation settings of the view in an endpoint's ``directory``."""
    return _read_json(directory / VIEW / "generation_config.json")


def _count(config: Any, name: str) -> int:
    """Return a number of tokens; 0 if it is not one."""
    found = config.get(name) if isinstance(config, dict) else None
    return found if isinstance(found, int) and 0 <= found < 1 << 31 else 0


def _ids(value: Any) -> list[int]:
    """Return tokens that end an answer; what is not a token is passed over."""
    given = value if isinstance(value, list) else [value]
    return [one for one in given if isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 1 << 31]


def _token_id(tokenizer: Path, token: Any) -> Any:
    text = token.get("content") if isinstance(token, dict) else token
    known = _read_json(tokenizer / "tokenizer.json").get("added_tokens")
    for added in known if isinstance(known, list) else ():
        if isinstance(added, dict) and added.get("content") == text:
            return added.get("id")
    return None


def _chat_template(tokenizer: Path) -> str:
    path = tokenizer / "chat_template.jinja"
    if path.is_file():
        return foreign_files.read_bytes(path, MAX_TEMPLATE_BYTES).decode("utf-8", "replace")
    return json.dumps(_read_json(tokenizer / "tokenizer_config.json").get("chat_template") or "")


def _read_json(path: Path) -> dict[str, Any]:
    """Return an optional JSON object; empty when there is no such file."""
    try:
        return foreign_files.read_json(path)
    except foreign_files.NoSuchFileError:
        return {}
    except foreign_files.ForeignFileError as error:
        raise BaseModelError(
            f"this file {error.what}", where=str(path), fix="fetch the base model again", kind=ErrorKind.BASE_DAMAGED
        ) from None
