"""From a model version to a directory that can be served."""

from __future__ import annotations

import importlib.util
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from brightrun_tui.domain.disk import WRITABLE_HOME
from brightrun_tui.domain.endpoint import ref_of_base
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.serverless import ServedModel
from brightrun_tui.files import private_directory, write_atomic
from brightrun_tui.serving.engines import EngineChoice
from brightrun_tui.serving.keys import KEY, new_key, put_key
from brightrun_tui.serving.state import STATE_FILE, alive
from brightrun_tui.serving.view import VIEW, build_view

PLAN = "endpoint.json"
_NEEDED = ("torch", "transformers", "peft", "fastapi", "starlette", "uvicorn")


LOOPBACK = "127.0.0.1"


class EndpointPlan(BaseModel):
    """``endpoint.json``: all that the server process needs to know. Lengths and ``vocabulary`` in tokens; 0 means
    unknown.

    ``greedy`` says that the base model's own default is not to sample, so a request without a temperature gets none.
    ``tools`` says that the chat template can present tools to the model. ``engine`` is what was asked for; what became of it
    stands in ``state.json``. ``idle_unload``: seconds without a request after which the model leaves memory; 0: it stays.
    ``remote``: the worker is on another machine, see `remote`; ``serverless``: workers of a service answer, see `hosting`.
    ``host``: the address of this machine that the gate listens at; empty: loopback.
    ``base_revision``: of the Hub, which base was trained on. ``base_alone``: the base answers, without the adapter.
    ``shared``: a directory for what endpoints have in common; empty: this one shares nothing.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    model: str
    version: int
    base_id: str
    base: str
    adapter: str
    quantisation: Literal["nf4", "none"]
    double_quant: bool = True
    compute_dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    context_length: int = 0
    vocabulary: int = 0
    greedy: bool = True
    tools: bool = False
    port: int = 0
    host: str = ""
    engine: EngineChoice = "auto"
    idle_unload: float = 0.0
    remote: bool = False
    serverless: ServedModel | None = None
    base_revision: str = ""
    base_alone: bool = False
    created_at: float = 0.0
    shared: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What callers may call the model. The base does not answer to the name of what was trained from it."""
        return (self.ref, self.id) if self.base_alone else (self.model, self.ref, self.id)

    @property
    def listens_at(self) -> str:
        """The address that the gate binds."""
        return self.host or LOOPBACK

    def url(self, port: int) -> str:
        """Say where programs on this machine reach it."""
        address = ip_address(self.listens_at)
        if address.is_unspecified:
            return f"http://{LOOPBACK if address.version == 4 else '[::1]'}:{port}/v1"
        return f"http://{f'[{address}]' if address.version == 6 else address}:{port}/v1"

    @property
    def names_said(self) -> str:
        """“support” or “support:3”."""
        return " or ".join(f"“{name}”" for name in dict.fromkeys(self.names))

    @property
    def adapter_name(self) -> str:
        """What an engine that has adapters of several endpoints calls this one."""
        return f"{self.id}-{self.ref}-{self.created_at:.0f}"

    @property
    def ref(self) -> str:
        """``name:version``, the model's name in the API; or `ref_of_base` of it."""
        version = f"{self.model}:{self.version}"
        return ref_of_base(version) if self.base_alone else version


def prepare(
    directory: Path,
    *,
    endpoint_id: str,
    version: ModelVersion,
    port: int = 0,
    host: str = "",
    engine: EngineChoice = "auto",
    idle_unload: float = 0.0,
    remote: bool = False,
    serverless: ServedModel | None = None,
    base_alone: bool = False,
    shared: str = "",
) -> EndpointPlan:
    """Make ``directory`` ready for the server process: the view of base and adapter, the key, ``endpoint.json``.

    May be repeated; the key stays the same. ``port`` 0 lets the server choose, and keep its choice over restarts. ``host``: an
    address of this machine, empty: loopback.
    With ``remote`` another machine computes: of the base only tokenizer and configuration need be in ``version.base_path``. With
    ``serverless`` workers of a service do, too, which may hold fewer tokens than the model could. With ``base_alone`` the base
    answers, without the adapter. ``shared``: a directory for what endpoints have in common.

    Raises:
        BaseModelError: the base model's files are not on this machine.
        UsageError: the version's files are not complete, or the serve extra is not installed.
        BrightrunError: the place cannot be written.
    """
    require_serve_extra(remote=remote)
    try:
        private_directory(directory)
        facts = build_view(
            directory / VIEW,
            base=version.base_path,
            base_id=version.base_id,
            adapter=Path(version.directory),
            ref=version.ref,
            weights_elsewhere=remote,
            base_alone=base_alone,
        )
        quantisation = version.report.lineage.quantisation
        method = "none" if quantisation.method == "none" else "nf4"
        plan = EndpointPlan(
            id=endpoint_id,
            model=version.name,
            version=version.version,
            base_id=version.base_id,
            base=version.base_path,
            adapter=version.directory,
            quantisation=method,
            double_quant=quantisation.double_quant,
            compute_dtype=quantisation.compute_dtype,
            context_length=_context(facts.context_length, serverless),
            vocabulary=facts.vocabulary,
            greedy=facts.greedy,
            tools=facts.tools,
            port=port,
            host=host,
            engine=engine,
            idle_unload=serverless.idle_seconds if serverless else idle_unload,
            remote=remote,
            serverless=serverless,
            base_revision=version.report.lineage.base_revision,
            base_alone=base_alone,
            created_at=version.created_at,
            shared=shared,
        )
        if not (directory / KEY).exists():
            put_key(directory, new_key())
        if not alive(directory):
            (directory / STATE_FILE).unlink(missing_ok=True)
        write_atomic(directory / PLAN, plan.model_dump_json(indent=2))
    except OSError as error:
        raise BrightrunError(
            f"the endpoint cannot be set up ({error.strerror or error})",
            where=str(directory),
            fix=f"free some space, or {WRITABLE_HOME}",
            kind=ErrorKind.ENDPOINT_NOT_WRITABLE,
        ) from None
    return plan


def _context(tokens: int, serverless: ServedModel | None) -> int:
    if serverless is None or not serverless.context:
        return tokens
    return min(tokens or serverless.context, serverless.context)


CACHE_LOCK = "lock"
"""In `cached_at`: held by whoever makes what lies there, or removes it."""


def cached_at(adapter: Path) -> Path:
    """Return the directory beside a version's own that holds its GGUF; it goes with the version."""
    return adapter.with_name(f".{adapter.name}-served")


def read_plan(directory: Path) -> EndpointPlan:
    """Return the plan. Raises ``UsageError`` when the directory was not prepared."""
    try:
        return EndpointPlan.model_validate_json((directory / PLAN).read_bytes())
    except (OSError, ValidationError):
        raise UsageError(
            "this is not a prepared endpoint",
            where=str(directory / PLAN),
            fix="deploy the model again",
            kind=ErrorKind.ENDPOINT_NOT_PREPARED,
        ) from None


def require_serve_extra(*, remote: bool = False) -> None:
    """Raise ``UsageError`` when the packages that serve a model are not installed. Imports none of them.

    ``remote``: another machine computes, and this one needs no more than the gate.
    """
    needed = ("transformers", "starlette", "uvicorn") if remote else _NEEDED
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"serving needs packages that are not installed: {', '.join(missing)}",
            fix="pip install 'brightrun[serve]'",
            kind=ErrorKind.SERVE_EXTRA_MISSING,
        )
