"""Endpoints: a model version served at an OpenAI-compatible address on this machine, computed here or elsewhere (see `remote`).

An endpoint is a directory: ``endpoint.json`` (what to serve), ``key`` and ``keys.json`` (the bearer keys, 0600), ``view/`` (links
to base and adapter), ``answers.jsonl`` (what was asked and answered, only where that is wanted), and, written by the server
process, ``state.json``, ``usage.json``, ``requests.jsonl`` (without what was asked) and ``server.log``. The engine prepares it,
starts the process and watches it::

    prepare(directory, endpoint_id=…, version=…)
    start(directory)                              # or run `command` with `environment` in another way
    read_state(directory), alive(directory), await healthy(directory)
    await canary(directory, version)
    await stop(directory)

The process outlives the engine; a new engine finds it again through `alive`.
"""

from brightrun_tui.serving.canary import Canary, canary
from brightrun_tui.serving.chat import chat, complete
from brightrun_tui.serving.kept_answers import KeptAnswer, keep_answers, keeps_answers, read_answers
from brightrun_tui.serving.keys import (
    NamedKey,
    add_key,
    forget_key,
    list_keys,
    put_key,
    read_key,
    read_key_file,
    remove_key,
    rotate_key,
)
from brightrun_tui.serving.plan import EndpointPlan, cached_at, prepare, read_plan, require_serve_extra
from brightrun_tui.serving.process import command, environment, healthy, reachable, start, stop
from brightrun_tui.serving.request_log import LoggedRequest, read_requests
from brightrun_tui.serving.state import (
    STATE_FILE,
    ServerState,
    Usage,
    alive,
    last_used,
    read_state,
    read_usage,
    with_liveness,
)

__all__ = [
    "STATE_FILE",
    "Canary",
    "EndpointPlan",
    "KeptAnswer",
    "LoggedRequest",
    "NamedKey",
    "ServerState",
    "Usage",
    "add_key",
    "alive",
    "cached_at",
    "canary",
    "chat",
    "command",
    "complete",
    "environment",
    "forget_key",
    "healthy",
    "keep_answers",
    "keeps_answers",
    "last_used",
    "list_keys",
    "prepare",
    "put_key",
    "reachable",
    "read_answers",
    "read_key",
    "read_key_file",
    "read_plan",
    "read_requests",
    "read_state",
    "read_usage",
    "remove_key",
    "require_serve_extra",
    "rotate_key",
    "start",
    "stop",
    "with_liveness",
]
