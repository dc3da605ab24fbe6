"""Tokenised data is made on this machine, before anything is rented, and kept for the next run of the same data and base."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

from brightrun_tui.domain.chat_template import damaged_template
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError
from brightrun_tui.domain.objective import DEFAULT_OBJECTIVE
from brightrun_tui.domain.run import RunSpec
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.files import sha256
from brightrun_tui.paths import Paths
from brightrun_tui.process import ENDED_AS_ENDLESS, environment_without_secrets, python

KEPT_BYTES = 2 << 30
"""The oldest go first when the kept files are larger than this together."""


def bring_tokens(directory: Path, spec: RunSpec, paths: Paths) -> bool:
    """Put what an earlier run left into this run's data, if there is any; the worker checks that it fits."""
    target = RunDirectory(directory).tokens
    if target.exists():
        return True
    kept = _kept(directory, spec, paths)
    with suppress(OSError):
        _link(kept, target)
        os.utime(kept)
        return True
    return False


def keep_tokens(directory: Path, spec: RunSpec, paths: Paths) -> None:
    """Keep this run's tokens for the next one; a cache that cannot be written is not worth a complaint."""
    made = RunDirectory(directory).tokens
    if not made.exists() or (kept := _kept(directory, spec, paths)).exists():
        return
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        _link(made, kept)
        files = sorted(kept.parent.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
        total = 0
        for file in files:
            total += file.stat().st_size
            if total > KEPT_BYTES:
                file.unlink()


def can_make_tokens() -> bool:
    """Say whether the packages for it are installed on this machine; without them the worker makes the tokens."""
    return find_spec("transformers") is not None and find_spec("safetensors") is not None


def need_tokens(directory: Path, spec: RunSpec, paths: Paths, tokenizer: Callable[[], Path]) -> None:
    """Bring them, or make and keep them; of runs that start together one makes them, and the others wait for it.

    Raises:
        DatasetError: as `make_tokens`.
    """
    with _guard:
        made_by_one = _being_made.setdefault(_kept(directory, spec, paths), Lock())
    with made_by_one:
        if not bring_tokens(directory, spec, paths):
            make_tokens(directory, spec, tokenizer())
            keep_tokens(directory, spec, paths)


_guard = Lock()
_being_made: WeakValueDictionary[Path, Lock] = WeakValueDictionary()


def make_tokens(directory: Path, spec: RunSpec, tokenizer: Path) -> None:
    """Tokenise, in a process of its own.

    Raises:
        DatasetError: nothing would be left to train on, or a record is too long and that is to be refused.
        BaseModelError: its chat template does not come to an end.
    """
    done = subprocess.run(
        python("-m", "brightrun_tui.trainer.tokenise", str(directory), str(tokenizer)),
        cwd="/",
        input=spec.model_dump_json(),
        capture_output=True,
        text=True,
        env=environment_without_secrets(),
    )
    if done.returncode == -ENDED_AS_ENDLESS:
        raise damaged_template(where=str(tokenizer))
    with suppress(ValueError, IndexError, TypeError):
        said = json.loads(done.stdout.splitlines()[-1])
        raise DatasetError(said["what"], where=said["where"], fix=said["fix"], kind=said[ErrorKind.KIND])


def _kept(directory: Path, spec: RunSpec, paths: Paths) -> Path:
    """Return the path, named after the data, the base model, and the objective where it is not the default."""
    base = spec.base.fingerprint or f"{spec.base.id}@{spec.base.revision}"
    data = [sha256(path) for path in (RunDirectory(directory).train, RunDirectory(directory).eval)]
    objective = spec.settings.training.objective
    own = [objective] if objective != DEFAULT_OBJECTIVE else []
    return (
        paths.cache
        / "tokens"
        / f"{hashlib.sha256(json.dumps([base, *data, *own]).encode()).hexdigest()[:32]}.safetensors"
    )


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        aside = target.with_name(f".{target.name}.part")
        shutil.copyfile(source, aside)
        aside.replace(target)
