"""The small model as a directory: made once, whole or not at all, found again afterwards."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs
from filelock import FileLock

from brightrun_tui.trainer.runtime.files import digest_files, publish_directory, write_json

from .recipe import Recipe

MARKER = "small_model.json"
"""Written last: recipe fingerprint, and size and sha256 of every other file."""

Progress = Callable[[float, str], None]
"""Told the finished fraction (0 to 1) and what is being done."""


def kept_small_model(progress: Progress = lambda fraction, what: None) -> Path:
    """The full model, kept in the user's cache directory between sessions."""
    recipe = Recipe()
    return ensure_small_model(
        platformdirs.user_cache_path("brightrun-tests") / f"small-{recipe.fingerprint()}", recipe, progress
    )


def ensure_small_model(
    target: Path, recipe: Recipe | None = None, progress: Progress = lambda fraction, what: None
) -> Path:
    """Return ``target`` holding the recipe's model; make it if it is not there. Of several callers at once, one builds."""
    recipe = recipe or Recipe()
    target = target.expanduser().absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):
        if not is_complete(target, recipe):
            _build(target, recipe, progress)
    return target


def is_complete(target: Path, recipe: Recipe) -> bool:
    """Whether ``target`` holds this recipe's model, every file with its size."""
    try:
        marker = json.loads((target / MARKER).read_text(encoding="utf-8"))
        return marker["version"] == recipe.fingerprint() and all(
            (target / name).stat().st_size == facts["bytes"] for name, facts in marker["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _build(target: Path, recipe: Recipe, progress: Progress) -> None:
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.building-", dir=target.parent))
    try:
        _write_model(aside, recipe, progress)
        write_json(aside / MARKER, {"version": recipe.fingerprint(), "files": digest_files(aside, [aside])})
        publish_directory(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_model(directory: Path, recipe: Recipe, progress: Progress) -> None:
    """Corpus, tokenizer, weights and configuration into ``directory``. The heavy imports happen here."""
    progress(0.0, "loading torch")
    from itertools import islice

    from safetensors.torch import save_file

    from .corpus import make_documents
    from .network import as_llama, llama_config
    from .pretrain import pretrain
    from .tokenizer import PAD, TURN_END, save_tokenizer, token_id, train_tokenizer

    progress(0.03, "writing texts and learning their words")
    tokenizer = train_tokenizer(
        islice(make_documents(recipe.seed), recipe.tokenizer_documents), recipe.shape.vocab_size
    )
    ids = {"pad": token_id(tokenizer, PAD), "eos": token_id(tokenizer, TURN_END)}

    def on_step(step: int, loss: float) -> None:
        progress(
            0.05 + 0.94 * step / recipe.steps, f"learning to write: step {step} of {recipe.steps}, loss {loss:.2f}"
        )

    network = pretrain(recipe, tokenizer, on_step)
    progress(0.99, "saving")
    save_tokenizer(tokenizer, directory, recipe.shape.max_position_embeddings)
    save_file(as_llama(network), directory / "model.safetensors", metadata={"format": "pt"})
    write_json(directory / "config.json", llama_config(recipe.shape, ids))
    write_json(
        directory / "generation_config.json",
        {"eos_token_id": ids["eos"], "pad_token_id": ids["pad"], "do_sample": False, "max_new_tokens": 160},
    )
