"""The server process of one endpoint: ``python -m brightrun_tui.serving DIRECTORY``.

Exit codes: 0 ended on request · 1 the model could not be served (``state.json`` says why) · 2 not a prepared
directory · 75 another server process has this endpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.logs import guard_process
from brightrun_tui.process import begin_privately
from brightrun_tui.serving.keys import read_key
from brightrun_tui.serving.places import serving_place
from brightrun_tui.serving.plan import EndpointPlan, read_plan, require_serve_extra
from brightrun_tui.serving.process import environment
from brightrun_tui.serving.state import PORT, failed_state

LOCK = "server.lock"
EXIT_TAKEN = 75
CLEANED = "BRIGHTRUN_CLEANED_PID"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m brightrun_tui.serving DIRECTORY", file=sys.stderr)
        return 2
    directory = Path(arguments[0]).absolute()
    _forget_credentials()
    begin_privately()
    guard_process()
    try:
        plan = read_plan(directory / serving_place(directory))
        require_serve_extra(remote=plan.remote)
        read_key(directory)
        secret = sys.stdin.readline().strip() if plan.serverless else ""
        with FileLock(directory / LOCK, timeout=0):
            os.chdir(directory)
            return asyncio.run(_serve(directory, plan, secret))
    except Timeout:
        print("another server process has this endpoint", file=sys.stderr)
        return EXIT_TAKEN
    except BrightrunError as error:
        print(error, file=sys.stderr)
        if directory.is_dir():
            failed_state(str(error)).write(directory)
        return 2


def _forget_credentials() -> None:
    """Begin again as the same process, without the variables of whoever started it; `start` hands none of those down."""
    wanted = environment()
    if os.environ != wanted and os.environ.get(CLEANED) != str(os.getpid()):
        os.execve(sys.executable, sys.orig_argv, wanted | {CLEANED: str(os.getpid())})


async def _serve(directory: Path, plan: EndpointPlan, secret: str) -> int:
    import uvicorn

    from brightrun_tui.serving.front import BACKLOG, IDLE_SECONDS, GuardedProtocol, prepare_process
    from brightrun_tui.serving.gate import Gate
    from brightrun_tui.serving.swap import Services

    class Server(uvicorn.Server):
        """Signals are handled below, so that the worker is ended before this process is."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    loop = asyncio.get_running_loop()
    prepare_process(loop)
    listener = _listen(directory, plan)
    port = listener.getsockname()[1]
    (directory / PORT).write_text(str(port))

    def end() -> None:
        server.should_exit = True

    services = Services(directory, port, end, secret)
    gate = Gate(directory, services)
    server = Server(
        uvicorn.Config(
            gate.app(),
            http=GuardedProtocol,
            ws="none",
            backlog=BACKLOG,
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=3,
            lifespan="off",
        )
    )

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    usage = asyncio.create_task(gate.keep_usage())
    watching = asyncio.create_task(services.watch())
    services.begin()
    try:
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()
        await services.stop()
        usage.cancel()
        await asyncio.gather(usage, watching, return_exceptions=True)
    return 1 if services.current.supervisor.state.status == "failed" else 0


def _listen(directory: Path, plan: EndpointPlan) -> socket.socket:
    """Return a socket at the address and port asked for; without, on loopback, on the last port used here, else on a free one."""
    asked, host = plan.port, plan.listens_at
    last = 0
    with contextlib.suppress(OSError, ValueError):
        last = int((directory / PORT).read_text())
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for port in (asked,) if asked else (last, 0):
        try:
            listener.bind((host, port))
            return listener
        except OSError as error:
            reason = error.strerror
    listener.close()
    raise BrightrunError(
        f"port {asked} cannot be used ({reason})" if asked else f"the address cannot be used ({reason})",
        where=host,
        fix="choose another port, or none" if asked else "give an address of this machine, or none",
        kind=ErrorKind.PORT_TAKEN,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
