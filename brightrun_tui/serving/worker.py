"""The process that holds the model, or whose child does: the server of llama.cpp, vLLM or transformers, on a socket that only the
gate can reach.

Started by the gate as ``python -m brightrun_tui.serving.worker DIRECTORY PIPE``. It ends with the gate, even when
the gate is killed, because ``PIPE`` then reaches its end. Whether loading worked is in ``worker.json``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brightrun_tui.files import write_atomic
from brightrun_tui.importing import without_garbage_collection
from brightrun_tui.serving.engines import EngineUnsuitableError, order
from brightrun_tui.serving.plan import EndpointPlan, read_plan
from brightrun_tui.serving.worker_files import NOTE, REPORT

BASE_NOTE = "the base alone is held as it was in training, which transformers does; no GGUF is made of it"


def main(directory: Path, pipe: int) -> int:
    """Serve until the gate ends; 1 when the model cannot be loaded."""
    threading.Thread(target=_end_with_gate, args=(pipe,), daemon=True).start()
    # A socket's path may have 108 bytes at most, so both sides name it relative to the endpoint's directory.
    os.chdir(directory)
    with telling_why():
        serve(read_plan(Path()))
    return 0


@contextmanager
def telling_why() -> Iterator[None]:
    """Write what ends serving from the current directory into the report."""
    Path(REPORT).unlink(missing_ok=True)
    try:
        yield
    except Exception as error:
        write_atomic(Path(REPORT), json.dumps({"error": f"{type(error).__name__}: {error}".splitlines()[0][:500]}))
        raise


def _end_with_gate(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(0)


def serve(plan: EndpointPlan) -> None:
    """Serve by the first engine that can, until the process ends. Raises what the last one raises."""
    engines, note = (("transformers",), BASE_NOTE) if plan.base_alone else order(plan.engine)
    for engine in engines:
        write_atomic(Path(NOTE), note)
        try:
            if engine == "llama.cpp":
                from brightrun_tui.serving.llama_server import serve as serve_llama

                serve_llama(plan)
            elif engine == "vllm":
                from brightrun_tui.serving.vllm_server import serve as serve_vllm

                serve_vllm(plan)
            else:
                with without_garbage_collection():
                    from brightrun_tui.serving.transformers_server import serve as serve_transformers
                serve_transformers(plan)
            return
        except EngineUnsuitableError as error:
            note = f"not {engine}: {error}"
            print(note, file=sys.stderr)
            if engine == engines[-1]:
                raise


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
