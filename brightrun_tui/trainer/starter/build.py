"""The starter base model as a directory: made once, whole or not at all, found again afterwards."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.trainer.files import digest_files, publish_directory, write_json

from .card import write_card
from .recipe import StarterRecipe

MARKER = "starter.json"
"""Written last: recipe fingerprint, and size and sha256 of every other file."""

Progress = Callable[[float, str], None]
"""Told the finished fraction (0 to 1) and what is being done."""


def ensure_starter(target: Path, recipe: StarterRecipe | None = None, progress: Progress = lambda fraction, what: None) -> Path:
    """Return ``target`` holding the recipe's model; make it if it is not there.

    Several processes may call this at once: one builds, the others wait for it. A build that was killed leaves only a
    hidden directory beside the target, which the next call removes. An older starter in the target is kept beside it
    under its own version, because adapters may have been trained on it.

    Raises:
        BaseModelError: the target holds something else, cannot be written, the disk is full, or a package is missing.
    """
    recipe = recipe or StarterRecipe()
    target = target.expanduser().absolute()
    if is_complete(target, recipe):
        progress(1.0, "the starter model is there")
        return target
    _refuse_foreign(target)
    with _explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target, progress):
            if not is_complete(target, recipe):
                _build(target, recipe, progress)
    progress(1.0, "the starter model is ready")
    return target


def is_complete(target: Path, recipe: StarterRecipe) -> bool:
    """Whether ``target`` holds this recipe's model, every file with its size."""
    try:
        marker = json.loads((target / MARKER).read_text(encoding="utf-8"))
        return marker["version"] == recipe.fingerprint() and all(
            (target / name).stat().st_size == facts["bytes"] for name, facts in marker["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _build(target: Path, recipe: StarterRecipe, progress: Progress) -> None:
    for left_over in target.parent.glob(f".{target.name}.building-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.building-", dir=target.parent))
    try:
        _write_model(aside, recipe, progress)
        write_card(aside, recipe)
        write_json(aside / MARKER, {"version": recipe.fingerprint(), "files": digest_files(aside, [aside])})
        _keep_older(target)
        publish_directory(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_model(directory: Path, recipe: StarterRecipe, progress: Progress) -> None:
    """Corpus, tokenizer, weights and configuration into ``directory``. The heavy imports happen here."""
    progress(0.0, "loading torch")
    from itertools import islice

    from safetensors.torch import save_file

    from .corpus import make_documents
    from .network import as_llama, llama_config
    from .pretrain import pretrain
    from .tokenizer import PAD, TURN_END, save_tokenizer, token_id, train_tokenizer

    progress(0.03, "writing texts and learning their words")
    tokenizer = train_tokenizer(islice(make_documents(recipe.seed), recipe.tokenizer_documents), recipe.shape.vocab_size)
    ids = {"pad": token_id(tokenizer, PAD), "eos": token_id(tokenizer, TURN_END)}

    def on_step(step: int, loss: float) -> None:
        progress(0.05 + 0.94 * step / recipe.steps, f"learning to write: step {step} of {recipe.steps}, loss {loss:.2f}")

    network = pretrain(recipe, tokenizer, on_step)
    progress(0.99, "saving")
    save_tokenizer(tokenizer, directory, recipe.shape.max_position_embeddings)
    save_file(as_llama(network), directory / "model.safetensors", metadata={"format": "pt"})
    write_json(directory / "config.json", llama_config(recipe.shape, ids))
    write_json(directory / "generation_config.json",
               {"eos_token_id": ids["eos"], "pad_token_id": ids["pad"], "do_sample": False, "max_new_tokens": 160})


def _refuse_foreign(target: Path) -> None:
    """Something that is not a starter must never be replaced."""
    try:
        foreign = target.exists() and not (target / MARKER).is_file() and (not target.is_dir() or any(target.iterdir()))
    except OSError as error:
        raise _explanation(error, target) from error
    if foreign:
        raise BaseModelError("there is something else in the place of the starter model", where=str(target),
                             fix="name an empty or new directory", kind="starter_target_taken")


def _keep_older(target: Path) -> None:
    """Move an older starter aside, as ``starter-<its version>``; an incomplete one of this version goes."""
    if not target.exists():
        return
    try:
        version = json.loads((target / MARKER).read_text(encoding="utf-8"))["version"]
        kept = target.with_name(f"{target.name}-{version}")
    except (OSError, ValueError, KeyError, TypeError):
        return
    if not kept.exists():
        target.rename(kept)


@contextmanager
def _alone(target: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock beside the target; while another process builds, say so."""
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    while True:
        try:
            lock.acquire(timeout=2.0)
            break
        except Timeout:
            progress(0.0, "waiting: another process is making the starter model")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    """Turn what the machine refuses into an error with a fix."""
    try:
        yield
    except ImportError as error:
        raise BaseModelError(f"the starter model cannot be made without the package “{error.name}”", where=str(target),
                             fix="install the training packages: pip install 'brightrun[train]'",
                             kind="packages_missing") from error
    except OSError as error:
        raise _explanation(error, target) from error


def _explanation(error: OSError, target: Path) -> BaseModelError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BaseModelError("the disk is full", where=str(target.parent), fix="free 50 MB and start again", kind="disk_full")
    return BaseModelError(f"the starter model cannot be written: {error.strerror or error}", where=str(target),
                          fix="check the permissions of the directory, or name another one with BRIGHTRUN_HOME",
                          kind="not_writable")
