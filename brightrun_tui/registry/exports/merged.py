"""One complete model, base included, as a directory that any program for Hugging Face models reads."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.process import python, users_umask
from brightrun_tui.registry.export_kind import ExportKind
from brightrun_tui.serving.process import environment


async def _write(version: ModelVersion, target: Path) -> None:
    """Run the merging program; it writes aside and renames, so ``target`` is complete or absent."""
    if not version.base_path or not (Path(version.base_path) / "config.json").is_file():
        raise BaseModelError(
            f"the base model “{version.base_id}” is not on this machine",
            where=version.base_path,
            fix="it is needed to merge; fetch it again",
            kind=ErrorKind.BASE_MISSING,
        )
    process = await asyncio.create_subprocess_exec(
        *python("-m", "brightrun_tui.serving.merge", version.base_path, version.directory, str(target.absolute())),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
        umask=users_umask(),
    )
    try:
        out, talk = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        lines = [line for line in talk.decode("utf-8", "replace").splitlines() if line.strip()]
        try:
            raise BrightrunError(**json.loads(out))
        except (ValueError, TypeError):
            raise BrightrunError(
                f"merging failed: {lines[-1][:300] if lines else f'exit code {process.returncode}'}",
                where=version.ref,
                kind=ErrorKind.MERGE_FAILED,
            ) from None


KIND = ExportKind(
    name="merged",
    ending="-merged",
    order=20,
    write=_write,
    gives="One complete model, base included: for any program that reads Hugging Face models. Takes a while.",
)
