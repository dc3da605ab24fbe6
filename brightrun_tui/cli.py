"""The command line: from arguments to an exit code.

stdout is data, stderr is talk, exit codes are API (`domain.errors.ExitCode`). Every error ends here: what a person can
mend becomes one message, what nobody foresaw one line and the path of a file that holds the traceback.
"""

from __future__ import annotations

import os
import sys

from brightrun_tui.domain.error_kinds import ExitCode
from brightrun_tui.logs import guard_process, log_to
from brightrun_tui.opening import open_app, see_to_home
from brightrun_tui.paths import get_paths
from brightrun_tui.process import bear_any_encoding, begin_privately, end_tidily

COMPLETING = "_BRIGHTRUN_COMPLETE"
"""Set by a shell that asks what could be typed."""


def _keep_log(arguments: list[str]) -> None:
    """Log only the verbs and option names of what was typed: the rest may hold an address with its key, put there by
    mistake.
    """
    import logging

    log_to(get_paths().logs / "brightrun.log")
    words = (
        word.partition("=")[0] if word.lstrip("-").partition("=")[0].replace("-", "").isalpha() else "…"
        for word in arguments
    )
    logging.getLogger("brightrun").info("brightrun %s", " ".join(words))


def run(arguments: list[str]) -> int:
    """Do what the arguments say; returns the exit code. Nothing is raised to the caller."""
    as_json = "--json" in arguments
    try:
        if os.environ.get("BRIGHTRUN_LOG"):
            _keep_log(arguments)
        if not arguments and COMPLETING not in os.environ:
            see_to_home(read_only=False)
            return open_app()
        from brightrun_tui.verbs import call

        outcome = call(arguments)
        return outcome if isinstance(outcome, int) else ExitCode.DONE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else ExitCode.FAILED
    except Exception as error:
        from brightrun_tui.commands.shared.failures import explain, report

        return report(explain(error, arguments), as_json=as_json)


def main() -> None:
    """Run ``brightrun``."""
    begin_privately()
    bear_any_encoding()
    end_tidily()
    guard_process(watched=True)
    sys.exit(run(sys.argv[1:]))
