"""``python -m brightrun_tui.trainer RUN_DIRECTORY``: the worker, in a process of its own.

With ``--spare`` instead of a directory it does its imports and waits until one is named on standard input.
What torch and its companions read from the environment must be set before they are imported.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from brightrun_tui.domain import events
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.events import Outcome, PhaseName, WorkerExit
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.importing import without_garbage_collection
from brightrun_tui.process import WITHOUT_COMPILER
from brightrun_tui.trainer.runtime.control import Control, Terminated
from brightrun_tui.trainer.runtime.events import AnotherWorkerError, DirectoryGoneError, EventLog
from brightrun_tui.trainer.runtime.failures import explain, ran_out_of_disk
from brightrun_tui.trainer.runtime.warm_worker import wait_for_run

SPARE = "--spare"
M_ARENA_MAX = -8
"""From glibc's malloc.h."""


def set_environment(*, hub: bool) -> None:
    """Set up threads that wait instead of spinning, no forks of tokenizers, no network where none is needed, no compiler, no
    chatter.
    """
    defaults = {
        **WITHOUT_COMPILER,
        "GOMP_SPINCOUNT": "1000",
        "MKL_CBWR": "AUTO,STRICT",  # matrix products that do not depend on the number of threads, bit for bit
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "PYTORCH_ALLOC_CONF": "expandable_segments:True",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",  # its name before torch 2.10
    }
    if not hub:
        defaults["HF_HUB_OFFLINE"] = "1"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def share_one_heap() -> None:
    """Use one heap for all threads, where the C library is glibc.

    With a heap for each, what one thread has freed is of no use to the others: a third more memory, and no faster.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt:
            mallopt(M_ARENA_MAX, 1)


def needs_the_hub(run_directory: Path) -> bool:
    """Say whether the base model is still to be fetched; a bad specification is reported by the worker."""
    try:
        return not json.loads(RunDirectory(run_directory).spec.read_bytes())["base"]["path"]
    except (OSError, ValueError, TypeError, LookupError):
        return True


def quieten_libraries() -> None:
    """Keep the log for people: no progress bars, no advice on things the worker has decided on purpose."""
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()


def import_worker() -> Callable[[RunDirectory, EventLog, Control], tuple[int, Outcome]]:
    """Do the heavy imports: seconds pass here.

    Raises:
        BrightrunError: a package that training needs is not installed.
    """
    try:
        with without_garbage_collection():
            quieten_libraries()
            import bitsandbytes  # noqa: F401

            from brightrun_tui.trainer.worker import work
    except ImportError as error:
        raise BrightrunError(
            f"training needs packages that are not installed ({error})",
            kind=ErrorKind.PACKAGES_MISSING,
            where="this machine",
            fix="pip install 'brightrun[train]'",
        ) from error
    return work


def run(files: RunDirectory, log: EventLog) -> int:
    """Do the whole run, or what is left of it; every end but kill -9 is told by an event."""
    control = Control(files.control)
    try:
        ends = [event.body for event in log.history if isinstance(event.body, (events.Done, events.Failed))]
        last = ends[-1] if ends else None
        outcome: Outcome
        if isinstance(last, events.Done) and last.outcome == "completed" and files.manifest.is_file():
            step, outcome = last.step, "completed"
        else:
            control.listen()
            log.write(events.Phase(phase=PhaseName.STARTING))
            step, outcome = import_worker()(files, log, control)
        log.write(events.Done(outcome=outcome, step=step))
        return 0
    except Terminated:
        steps = [event.body.step for event in log.history if isinstance(event.body, events.Checkpoint)]
        log.write(events.Done(outcome="paused", step=max(steps, default=0)))
        return 0
    except DirectoryGoneError:
        raise
    except Exception as error:
        if isinstance(error, BrightrunError):
            print(error, file=sys.stderr)
        else:
            traceback.print_exc()
        log.write(events.Failed(**explain(error).model_dump()))
        return WorkerExit.FAILED
    finally:
        log.close()


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    share_one_heap()
    if arguments == [SPARE]:
        return wait()
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print(f"usage: python -m brightrun_tui.trainer RUN_DIRECTORY | {SPARE}", file=sys.stderr)
        return WorkerExit.USAGE
    run_directory = Path(arguments[0]).resolve()
    set_environment(hub=needs_the_hub(run_directory))
    return work_in(run_directory)


def wait() -> int:
    """Be ready for a run on this machine, whose base model lies in a directory."""
    set_environment(hub=False)
    try:
        import_worker()
        run_directory = wait_for_run()
    except (BrightrunError, OSError) as error:
        print(error, file=sys.stderr)
        return WorkerExit.FAILED
    return work_in(run_directory) if run_directory else 0


def work_in(run_directory: Path) -> int:
    """Do all that a worker does, once its environment is set."""
    files = RunDirectory(run_directory)
    try:
        return run(files, EventLog(files.events))
    except AnotherWorkerError:
        print("another worker is already at this run", file=sys.stderr)
        return WorkerExit.ANOTHER_AT_WORK
    except DirectoryGoneError as error:
        print(f"the run directory was moved or deleted: {error}", file=sys.stderr)
        return WorkerExit.DIRECTORY_GONE
    except OSError as error:
        print(f"the run directory cannot be written: {error}", file=sys.stderr)
        return WorkerExit.DISK_FULL if ran_out_of_disk(error) else WorkerExit.FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
