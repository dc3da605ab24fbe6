"""What a new machine does before anybody can log in: take our key, set the guard to work.

The guard travels inside the create call, so that it is on duty even when nobody ever comes to see the machine.
"""

from __future__ import annotations

import ast
import base64
import gzip
import json
import shlex
import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

REMOTE_HOME = ".brightrun"
"""Our directory on a machine, below the login's home: the guard's files, ``run/``, ``env/``."""
RUN_DIRECTORY = f"{REMOTE_HOME}/run"
HEARTBEAT = f"{REMOTE_HOME}/heartbeat"
COLLECTED = f"{REMOTE_HOME}/collected"
GUARD_STATE = f"{REMOTE_HOME}/guard.json"
GUARD_SCRIPT = f"{REMOTE_HOME}/guard.py"


@dataclass(frozen=True)
class Way:
    """One way to end a machine from inside: a request with the machine's own key as bearer token, or a command.

    In ``url``, ``body`` (JSON, as text) and ``command``, ``{id}`` stands for the machine's id; in ``url`` also ``{url}`` and
    ``{graphql}`` for the addresses of the provider's API, and a way to an address that is not known is left out. ``last``: it
    leaves something to be paid, and is taken when the machine's key may not do better or nothing else has worked for long.
    ``keeps``: it stops a machine and keeps its disk for little money, so results can be fetched later.
    """

    name: str
    method: str = ""
    url: str = ""
    body: str = ""
    command: tuple[str, ...] = ()
    last: bool = False
    keeps: bool = False


@dataclass(frozen=True)
class GuardPart:
    """What the guard must know of one provider.

    ``machine_id`` and ``key`` name the variables in which a machine finds its id and a key for itself; ``look`` is the address
    that shows the machine, ``ways`` end it, best way first. Placeholders as in `Way`.
    """

    machine_id: str
    key: str
    look: str
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class GuardTimes:
    """In seconds. ``silence``: without the engine, after which the guard ends an idle machine; ``keep``: how long it keeps one
    at least that has results which nobody has brought home; ``tick``: between two looks.
    """

    silence: float = 900.0
    keep: float = 43200.0
    tick: float = 5.0


@dataclass(frozen=True)
class GuardOptions:
    """What the guard is told. ``seconds`` count from its start; ``until`` is the same moment by our clock; ``silence``,
    ``keep`` and ``tick`` as in `GuardTimes`.
    """

    part: GuardPart
    url: str
    seconds: float
    until: float
    silence: float
    graphql: str = ""
    keep: float = GuardTimes.keep
    stall: float = 3600.0
    tick: float = GuardTimes.tick
    home: str = f"~/{REMOTE_HOME}"

    @classmethod
    def ending_at(
        cls, deadline: float, part: GuardPart, url: str, times: GuardTimes, *, graphql: str = ""
    ) -> GuardOptions:
        """Return the options for a machine whose lease ends at ``deadline``, in seconds since the epoch."""
        left = round(max(0.0, deadline - time.time()), 1)
        return cls(part, url, left, round(deadline), times.silence, graphql=graphql, keep=times.keep, tick=times.tick)

    def argument(self) -> str:
        """Return the guard's one argument: JSON without single quotes."""
        ways = [{**asdict(way), "url": self._address(way.url)} for way in self.part.ways]
        document = {
            "id": self.part.machine_id,
            "key": self.part.key,
            "look": self._address(self.part.look),
            "ways": [
                {key: value for key, value in way.items() if value} for way in ways if way["url"] or way["command"]
            ],
            "seconds": self.seconds,
            "until": self.until,
            "silence": self.silence,
            "keep": self.keep,
            "stall": self.stall,
            "tick": self.tick,
            "home": self.home,
        }
        told = {key: _short(value) for key, value in document.items()}
        return json.dumps(told, separators=(",", ":")).replace("'", "\\u0027")

    def _address(self, template: str) -> str:
        """Fill in an address; empty where part of it is not known."""
        if "{graphql}" in template and not self.graphql:
            return ""
        return template.replace("{url}", self.url.rstrip("/")).replace("{graphql}", self.graphql)


def _short(value: object) -> object:
    """Return whole numbers without their decimal point: the command has little room."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def guard_source(options: str = "") -> str:
    """Return the guard without docstrings, comments and type hints: the same program, a third smaller. What it is told is part
    of it, as that packs better than an argument.
    """
    return f"OPTIONS = {options!r}\n{_small_guard()}"


@lru_cache(maxsize=1)
def _small_guard() -> str:
    tree = ast.parse(Path(__file__).with_name("guard.py").read_text("utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            del body[0]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in (*node.args.args, node.args.vararg, node.args.kwarg):
                if argument is not None:
                    argument.annotation = None
    tree = ast.fix_missing_locations(_PlainAssignments().visit(tree))
    return ast.unparse(tree).replace("    ", " ")


class _PlainAssignments(ast.NodeTransformer):
    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return ast.Assign([node.target], node.value) if node.value is not None else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module in ("typing", "collections.abc", "__future__") else node


def start_guard(options: GuardOptions) -> str:
    """Return shell commands, free of single quotes, that write the guard below the home directory and start it detached."""
    packed = base64.b64encode(gzip.compress(guard_source(options.argument()).encode(), 9, mtime=0)).decode()
    return (
        f"export HOME=${{HOME:-/root}}; mkdir -p ~/{REMOTE_HOME}; echo {packed} | base64 -d | gunzip > ~/{GUARD_SCRIPT}; "
        f"setsid python3 ~/{GUARD_SCRIPT} </dev/null >>~/{REMOTE_HOME}/guard.log 2>&1 &"
    )


def accept_key(public_key: str) -> str:
    """Return shell commands that let this key log in."""
    return (
        "mkdir -p ~/.ssh; chmod 700 ~/.ssh; touch ~/.no_auto_tmux; "
        f"printf '\\n%s\\n' {shlex.quote(public_key)} >> ~/.ssh/authorized_keys; chmod 600 ~/.ssh/authorized_keys"
    )
