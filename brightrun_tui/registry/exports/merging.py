"""Runs the program that merges: for every export kind that holds one complete model."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.process import python, users_umask
from brightrun_tui.registry.base_places import has_base
from brightrun_tui.serving.process import environment


async def write_whole_model(version: ModelVersion, target: Path, form: str) -> None:
    """Write base and adapter as one model in ``form`` (see `serving.merge`); ``target`` is complete or absent.

    Raises:
        BaseModelError: the base model is not on this machine.
        BrightrunError: it cannot be merged, or what comes of it is not the graded model.
    """
    if not has_base(version):
        raise BaseModelError(
            f"the base model “{version.base_id}” is not on this machine",
            where=version.base_path,
            fix=f"fetch it again, or say where it is: brightrun models set-base {version.ref} DIRECTORY",
            kind=ErrorKind.BASE_MISSING,
        )
    arguments = (
        version.base_path,
        version.directory,
        str(target.absolute()),
        version.report.lineage.quantisation.held,
        form,
    )
    process = await asyncio.create_subprocess_exec(
        *python("-m", "brightrun_tui.serving.merge", *arguments),
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
