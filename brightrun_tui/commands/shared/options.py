"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

from brightrun_tui.config import LARGEST
from brightrun_tui.datasets.reading_options import ENCODING, SHEET
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.settings import Overrides
from brightrun_tui.domain.text import at_equals
from brightrun_tui.planning.hub_dataset_names import SYNTAX
from brightrun_tui.planning.intensity import Intensity


def bounded(number: float | None) -> float | None:
    """Check a number that is given as an option: “nan” and “inf” are refused, and so is what is larger than anything
    here.

    Raises:
        typer.BadParameter: it is no such number.
    """
    if number is not None and not abs(number) <= LARGEST:
        raise typer.BadParameter(f"a number up to {LARGEST:,} is wanted")
    return number


EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Its id, or the model it serves.")]
DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help=f"A dataset file, a folder of such files, the name of an added dataset, or {SYNTAX}."
    ),
]
NameOption = Annotated[str, typer.Option("--name", help="Name of the run and its model. Default: the dataset's.")]
ProjectOption = Annotated[str | None, typer.Option("--project", help="What it is for: brightrun costs sums by it.")]
BaseOption = Annotated[
    str | None,
    typer.Option(
        "--base", metavar="MODEL", help="Base model: “starter”, a directory, a GGUF file, or a Hugging Face id."
    ),
]
TemplateOption = Annotated[str | None, typer.Option("--template", help="A named set of settings.")]
IntensityOption = Annotated[
    Intensity,
    typer.Option("--intensity", help="How hard it learns: learning rate, epochs and rank, on top of the template."),
]
ProviderOption = Annotated[
    str | None, typer.Option("--provider", help="Where it runs: “local” or a rented-GPU service.")
]
GpuOption = Annotated[str, typer.Option("--gpu", help="The GPU to rent.")]
GpusOption = Annotated[
    str,
    typer.Option(
        "--gpus", metavar="0,2", help="On a machine of your own: only on one of these GPUs, as nvidia-smi numbers them."
    ),
]
SharedGpuOption = Annotated[
    bool, typer.Option("--shared-gpu", help="Begin also where other people's processes hold memory of the GPU.")
]
InterruptibleOption = Annotated[
    bool,
    typer.Option(
        "--interruptible", help="Cheaper machines that may be taken away are welcome; the run then goes on elsewhere."
    ),
]
BudgetOption = Annotated[
    float | None, typer.Option("--budget", metavar="USD", min=0, callback=bounded, help="Ceiling in US dollars.")
]
HoursOption = Annotated[float | None, typer.Option("--max-hours", min=0, callback=bounded, help="Ceiling in hours.")]
NotBeforeOption = Annotated[
    str,
    typer.Option(
        "--not-before", metavar="TIME", help="Wait in the queue until then: 22:00, or 2026-12-01T22:00 (local time)."
    ),
]
SweepOption = Annotated[
    str,
    typer.Option(
        "--sweep",
        metavar="VALUES",
        help="Try two or three values for a setting or two, as a group of runs: "
        "'training.learning_rate = 1e-4 2e-4; lora.r = 8 16'.",
    ),
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id, beginning of an id, name, or “last”.")]
LinesOption = Annotated[
    int, typer.Option("--lines", "-n", min=0, callback=bounded, help="Only so many last lines. 0: all.")
]
ModelArgument = Annotated[
    str, typer.Argument(metavar="NAME[:VERSION]", help="A model; without a version its champion.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting, e.g. training.epochs=3. Repeatable."),
]
SettingsOption = Annotated[
    str,
    typer.Option("--settings", metavar="FILE", help="Base, template and settings from a TOML file; --set beats it."),
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="ROLE=COLUMN", help="For CSV and Parquet: which column is what. Repeatable."),
]

EncodingOption = Annotated[
    str, typer.Option("--encoding", help="Of a text file: utf-8, cp1252, mac-roman … Default: guessed.")
]
SheetOption = Annotated[
    str, typer.Option("--sheet", help="Of an Excel workbook: the sheet to read. Default: the first with rows.")
]


def parse_overrides(pairs: list[str]) -> dict[str, str]:
    """Turn ``["training.epochs=3"]`` into ``{"training.epochs": "3"}``; values are converted where the setting is
    known.

    Raises:
        UsageError: a pair without “=”.
    """
    return _pairs(pairs, "--set", "training.epochs=3")


def machine_overrides(gpus: str, shared_gpu: bool) -> Overrides:
    """Return the settings that ``--gpus`` and ``--shared-gpu`` stand for."""
    return {**({"machine.gpus": gpus} if gpus else {}), **({"machine.shared_gpu": True} if shared_gpu else {})}


def parse_columns(pairs: list[str]) -> dict[str, str]:
    """Turn ``["prompt=question"]`` into ``{"prompt": "question"}``.

    Raises:
        UsageError: a pair without “=”.
    """
    return _pairs(pairs, "--column", "prompt=question")


def parse_relabel(pairs: list[str]) -> dict[str, str]:
    """Turn ``["bilings=billing"]`` into ``{"bilings": "billing"}``.

    Raises:
        UsageError: a pair without “=”, or without a name behind it.
    """
    found = _pairs(pairs, "--relabel", "old=new")
    empty = next((old for old, new in found.items() if not new), None)
    if empty is not None:
        raise UsageError(
            f"“{empty}” has no new name", where="--relabel", fix="write it like old=new", kind=ErrorKind.BAD_OPTION
        )
    return found


def parse_reading(columns: list[str] | None, encoding: str, sheet: str) -> dict[str, str]:
    """Say how a file is to be read: `parse_columns`, with encoding and sheet where they were named."""
    named = {ENCODING: encoding, SHEET: sheet}
    return parse_columns(columns or []) | {key: value for key, value in named.items() if value}


def _pairs(pairs: list[str], option: str, example: str) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, equals, value = at_equals(pair)
        if not equals or not key.strip():
            raise UsageError(
                f"“{pair}” is not a key=value",
                where=option,
                fix=f"write it like {option} {example}",
                kind=ErrorKind.BAD_OPTION,
            )
        found[key.strip()] = value.strip()
    return found
