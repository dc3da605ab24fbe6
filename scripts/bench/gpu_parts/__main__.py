"""``python -m scripts.bench.gpu_parts MODULE FUNCTION``: one part. After its imports it waits for a line on standard input."""

from __future__ import annotations

import importlib
import json
import math
import sys
import traceback
from pathlib import Path
from typing import Any

from brightrun_tui.importing import without_garbage_collection


def main(module: str, function: str) -> int:
    """Run a part and print a line ``{"found": …}`` for each piece. Returns the exit code."""
    with without_garbage_collection():
        part = importlib.import_module(f"scripts.bench.gpu_parts.{module}")
    ready = [part.prepare()] if hasattr(part, "prepare") else []
    line = sys.stdin.readline()
    if not line:
        return 0
    given = json.loads(line)
    try:
        for piece in getattr(part, function)(*ready, Path(given["directory"]), given["device"], *given["arguments"]):
            print("\n" + json.dumps({"found": _plain(piece)}, allow_nan=False), flush=True)
    except Exception:
        print("\n" + json.dumps({"found": {"failed": traceback.format_exc(limit=-6)[-2500:]}}), flush=True)
        return 1
    return 0


def _plain(value: Any) -> Any:
    """Replace what JSON cannot hold, such as NaN."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
