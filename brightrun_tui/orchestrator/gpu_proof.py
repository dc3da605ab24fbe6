"""A rented GPU is proven before data is sent to it: seen by torch, right in its arithmetic, as fast and free as rented."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable

from pydantic import ValidationError

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import HostError
from brightrun_tui.domain.gpu import GpuCheck
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.text import one_line
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.providers.gpus import expected_flops

CHECK = "gpu_check"
WITH_OUR_CODE = 'PYTHONPATH="$0${PYTHONPATH:+:$PYTHONPATH}" exec "$@"'
"""An image may have its packages in PYTHONPATH: our code goes before them, not in their place."""
FREE_SHARE = 0.9
"""Of the memory that was rented; drivers and the context of the check itself keep some."""
CHECK_SECONDS = 300.0
"""The first import of torch from a cold disk takes the most of it."""
ANSWER_LIMIT = 64 << 10
MOST_SHOWN = 200


async def prove_gpu(
    host: SshHost,
    start: tuple[str, str],
    lease: Lease,
    *,
    poll: float = 2.0,
    keep: Callable[[bytes], None] = lambda _piece: None,
) -> GpuCheck:
    """Let the machine compute what training computes, with the very packages that will train.

    Args:
        start: the interpreter there, and its PYTHONPATH, as `environment.install` returns them.
        keep: takes what the check printed there.

    Raises:
        HostError: the GPU is not fit to train on, or does not show it in time; such a machine must be replaced.
    """
    interpreter, code = start
    words = [
        interpreter,
        "-m",
        "brightrun_tui.trainer.gpu_check",
        "--rate",
        f"{expected_flops(lease.gpu):.0f}",
        "--memory",
        f"{lease.gpu_memory * FREE_SHARE:.0f}",
    ]
    log = f"{CHECK}.log"
    await host.run(f"rm -f {shlex.quote(str(host.directory / log))}", repeat=True)
    await host.start(CHECK, ["sh", "-c", WITH_OUR_CODE, code, *words], environment={})
    deadline = time.monotonic() + CHECK_SECONDS
    while (await host.status(CHECK)).running:
        if time.monotonic() > deadline:
            await host.signal(CHECK, 9)
            raise _unfit("it does not answer", host)
        await asyncio.sleep(poll)
    printed = await host.read(log, max(0, await host.size(log) - ANSWER_LIMIT), ANSWER_LIMIT)
    await asyncio.to_thread(keep, printed)
    said = printed.decode(errors="replace").strip()
    last = said.splitlines()[-1] if said else "it said nothing"
    try:
        found = GpuCheck.model_validate_json(last)
    except ValidationError:
        raise _unfit(one_line(last)[:MOST_SHOWN], host) from None
    if found.faults:
        raise _unfit(one_line("; ".join(found.faults))[:MOST_SHOWN], host)
    return found


def _unfit(why: str, host: SshHost) -> HostError:
    return HostError(
        f"its GPU is not fit to train on: {why}",
        where=host.connection.where,
        kind=ErrorKind.GPU_UNFIT,
        fix="it is replaced by another one",
    )
