"""How to call a model that is being served."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.serving import LoggedRequest, Usage, read_key, read_requests, read_usage
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.model_text import endpoint_mark
from brightrun_tui.tui.widgets.reflow import Flow

USAGE_SECONDS = 2.0
NEWEST = 5
HIDDEN = "•" * 16


class EndpointScreen(Dialog[None]):
    """Address, name, key (shown on demand), and calls that can be pasted."""

    SCOPES = ("endpoint", "modal")
    BINDINGS = bindings("endpoint")

    def __init__(self, endpoint_id: str) -> None:
        super().__init__("Endpoint", classes="-large -endpoint")
        self._endpoint_id = endpoint_id
        self._revealed = False
        self._usage = Usage()
        self._requests: list[LoggedRequest] = []

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(can_focus=True):
            yield Flow(id="endpoint-text")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self.app.snapshot_signal.subscribe(self, lambda _: self._show())
        self.set_interval(USAGE_SECONDS, self._read_usage)
        self._show()
        self._read_usage()

    @property
    def endpoint(self) -> Endpoint | None:
        snapshot: Snapshot = self.app.snapshot
        return next((endpoint for endpoint in snapshot.endpoints if endpoint.id == self._endpoint_id), None)

    def _show(self) -> None:
        endpoint = self.endpoint
        self.query_one("#endpoint-text", Flow).show(lambda width: self._lines(endpoint, width))

    def _lines(self, endpoint: Endpoint | None, width: int) -> reflow.Lines:
        if endpoint is None:
            return [Content.styled("The endpoint is being set up …", "$muted")]
        ready = endpoint.state == "ready"
        key = self._key(endpoint) if self._revealed else HIDDEN
        rows: list[tuple[str, str | Content]] = [
            (
                "State",
                endpoint_mark(endpoint)
                + Content("" if endpoint.answers and not endpoint.asleep else f"  {self._waiting(endpoint)}"),
            ),
            ("Where", _where(endpoint)),
            ("Address", Content.styled(endpoint.url or humanize.NOTHING, "bold")),
            (
                "Model",
                Content.assemble((endpoint.served_name, "bold"), (f"  version {endpoint.model_version}", "$muted")),
            ),
            (
                "Key",
                Content.assemble(
                    (key, "bold $accent"), ("" if self._revealed else "  s shows it, c copies it", "$muted")
                ),
            ),
            ("Key file", str(Path(endpoint.directory) / "key")),
            *self._numbers(endpoint),
        ]
        lines = reflow.pairs(rows, width, 11)
        if ready:
            shown = key if self._revealed else "$(cat KEYFILE)"
            lines += [
                Content(""),
                *reflow.heading("In the shell", width, "u copies it"),
                *reflow.text(
                    curl_call(endpoint, shown.replace("KEYFILE", str(Path(endpoint.directory) / "key"))), width
                ),
                Content(""),
                *reflow.heading("In Python", width, "p copies it"),
                *reflow.text(python_call(endpoint), width),
            ]
        if self._requests:
            lines += [Content(""), *reflow.heading("Newest requests", width, "without what was asked")]
            lines += [_request(each, width) for each in self._requests]
        return lines

    def _numbers(self, endpoint: Endpoint) -> list[tuple[str, str | Content]]:
        """Return what computes the answers, and what became of the requests so far."""
        usage = self._usage
        note = f"  {cells.plain(endpoint.engine_note)}" if endpoint.engine_note else ""
        refused = f", {humanize.count(usage.refused)} refused, {humanize.count(usage.failed)} failed"
        return [
            ("Engine", Content.assemble(endpoint.engine or humanize.NOTHING, (note, "$muted"))),
            (
                "Tokens",
                f"{humanize.rate(usage.tokens_per_second)}, the first after {humanize.latency(usage.first_token)}",
            ),
            ("Requests", f"{humanize.count(usage.requests)}{refused}"),
        ]

    @work(exclusive=True)
    async def _read_usage(self) -> None:
        if self.endpoint is not None:
            directory = Path(self.endpoint.directory)
            self._usage = await asyncio.to_thread(read_usage, directory)
            with suppress(OSError):
                self._requests = await asyncio.to_thread(read_requests, directory, NEWEST)
            self._show()

    def _waiting(self, endpoint: Endpoint) -> str:
        if endpoint.rental and endpoint.state in ("starting", "stopping"):
            return f"{cells.plain(endpoint.doing)}, {humanize.duration(_age(endpoint))} so far"
        if endpoint.state == "starting":
            return f"loading the model, {humanize.duration(_age(endpoint))} so far; this can take a minute"
        if endpoint.asleep:
            return "out of memory until somebody asks"
        if endpoint.restarting:
            return f"it answers again in some seconds ({cells.plain(endpoint.restarting)})"
        return "start it again: brightrun engine start" if endpoint.down else cells.plain(endpoint.error)

    def _key(self, endpoint: Endpoint) -> str:
        try:
            return read_key(Path(endpoint.directory))
        except BrightrunError as error:
            return f"({error.what})"

    def action_reveal(self) -> None:
        self._revealed = not self._revealed
        self._show()

    def action_copy_key(self) -> None:
        if self.endpoint is not None:
            self.app.copy_text(self._key(self.endpoint), "The key")

    def action_copy_url(self) -> None:
        if self.endpoint is not None:
            self.app.copy_text(self.endpoint.url, "The address")

    def action_copy_curl(self) -> None:
        if self.endpoint is not None:
            self.app.copy_text(curl_call(self.endpoint, f"$(cat {Path(self.endpoint.directory) / 'key'})"), "The call")

    def action_copy_python(self) -> None:
        if self.endpoint is not None:
            self.app.copy_text(python_call(self.endpoint), "The program")


def _request(one: LoggedRequest, width: int) -> Content:
    """Return one line: when, which key, what became of it, tokens and time."""
    tokens = f"{humanize.count(one.prompt_tokens)} → {humanize.count(one.completion_tokens)} tokens"
    told = (one.key, one.path.removeprefix("/v1/"), tokens, f"{humanize.latency(one.seconds)}")
    return Content.assemble(
        (f"{humanize.day(one.time)}  ", "$muted"),
        (cells.one_line(one.outcome), "$success" if one.status == 200 and not one.failed else "$warning"),
        f"  {'  '.join(cells.one_line(each) for each in told)}",
    ).truncate(width, ellipsis=True)


def curl_call(endpoint: Endpoint, key: str) -> str:
    """Return a call for the shell."""
    return (
        f'curl {endpoint.url}/chat/completions -H "Content-Type: application/json" \\\n'
        f'  -H "Authorization: Bearer {key}" \\\n'
        f'  -d \'{{"model": "{endpoint.served_name}", "messages": [{{"role": "user", "content": "Hello"}}]}}\''
    )


def python_call(endpoint: Endpoint) -> str:
    """Return a program for the openai package. It reads the key from its file, so that no key gets into a repository."""
    return (
        f"from pathlib import Path\nfrom openai import OpenAI\n\n"
        f'client = OpenAI(base_url="{endpoint.url}",\n'
        f'                api_key=Path("{Path(endpoint.directory) / "key"}").read_text().strip())\n'
        f'for part in client.chat.completions.create(model="{endpoint.served_name}", stream=True,\n'
        f'                                           messages=[{{"role": "user", "content": "Hello"}}]):\n'
        f'    print(part.choices[0].delta.content or "", end="", flush=True)'
    )


def _where(endpoint: Endpoint) -> str:
    """Say where it computes, what that costs, and when it ends by itself."""
    rental = endpoint.rental
    if rental is None:
        return "this machine"
    so_far = f"{humanize.money_counted(endpoint.cost_usd)} so far"
    return f"{rental.offer_gpu} at {rental.place}: {rental.price_words()}, {so_far}. {rental.end_words}".lstrip()


def _age(endpoint: Endpoint) -> float:
    import time

    return max(0.0, time.time() - endpoint.created_at)
