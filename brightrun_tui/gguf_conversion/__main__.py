"""The process that converts: ``python -m brightrun_tui.gguf_conversion MODEL TARGET KIND [--token-ids-only]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast, get_args

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.gguf_conversion import TOKEN_IDS_ONLY, GgufKind
from brightrun_tui.gguf_conversion.converter import convert_here


def main(model: Path, target: Path, kind: str, token_ids_only: bool) -> int:
    """Return what the process does; 1 with one line on standard error where llama.cpp knows no such model."""
    if kind not in get_args(GgufKind):
        print(f"“{kind}” is not one of {', '.join(get_args(GgufKind))}", file=sys.stderr)
        return 1
    try:
        convert_here(model, target, cast(GgufKind, kind), token_ids_only=token_ids_only)
    except BrightrunError as error:
        print(error.what, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], TOKEN_IDS_ONLY in sys.argv[4:]))
