"""A Hub that means ill, as HF_ENDPOINT may name one: what it says leads nowhere else, and names no file of this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import pytest

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.integrations import hub_client
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.planning import hub_datasets, hub_models
from brightrun_tui.redaction import redact
from tests.planning.hub_stand_in import COMMIT, StandIn, files_of
from tests.planning.tiny_model import write_model

KEY = "hf_KeyOfTheUser0123456789"
DATA = {"train.jsonl": b'{"prompt": "Where?", "completion": "Here."}\n'}


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", KEY)
    huggingface_hub.close_session()
    hub_models._remembered.clear()
    hub_datasets._remembered.clear()
    yield get_paths()
    huggingface_hub.close_session()


@contextmanager
def evil(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes], kind: str = "models", **faults: Any
) -> Iterator[StandIn]:
    found = StandIn(files, tokens={KEY: "me"}, kind=kind, **faults).start()
    monkeypatch.setenv("HF_ENDPOINT", found.url)
    try:
        yield found
    finally:
        found.stop()


@contextmanager
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """The address of another server, and the keys that it is shown."""
    shown: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers.get("Authorization", ""))
            self.send_response(200)
            for name, value in {
                "Content-Length": "2",
                "X-Xet-Cas-Url": f"http://127.0.0.1:{self.server.server_port}",  # type: ignore[attr-defined]
                "X-Xet-Access-Token": "t",
                "X-Xet-Token-Expiration": "9999999999",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"[]")

        do_POST = do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", shown
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return files_of(write_model(tmp_path_factory.mktemp("upstream"), weight_rows=100))


def get_model(paths: Paths) -> Path:
    return hub_models.download("acme/tiny", paths, lambda what, share: None)


def get_data(paths: Paths) -> Path:
    return hub_datasets.fetch_dataset("hf:acme/tiny", paths).path


@pytest.mark.parametrize("header", ["ETag", "X-Linked-ETag"])
@pytest.mark.parametrize("name", ["../../../taken", "{there}/taken", "..", '""', "W/../../../taken", "a b", "x" * 200])
def test_an_etag_names_no_file_outside_the_cache(
    name: str, header: str, model: dict[str, bytes], paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {header: f'"{name.format(there=tmp_path)}"'}
    with evil(monkeypatch, model, says={"/resolve/": said}), pytest.raises(BrightrunError):
        get_model(paths)
    assert not list(tmp_path.glob("taken*"))


def test_an_etag_makes_no_file_of_this_machine_a_dataset(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private.jsonl"
    private.write_text('{"prompt": "Pay?", "completion": "Much."}\n')
    with (
        evil(monkeypatch, DATA, "datasets", says={"/resolve/": {"ETag": f'"{private}"'}}),
        pytest.raises(BrightrunError),
    ):
        get_data(paths)


@pytest.mark.parametrize("commit", ["../../../taken", "/taken", "a b", ".."])
@pytest.mark.parametrize("missing", [False, True])
def test_a_commit_names_no_directory(
    commit: str, missing: bool, model: dict[str, bytes], paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where it comes with the answer that there is no such file."""
    faults = {"/resolve/": 404} if missing else {}
    says = {"/resolve/": {"X-Repo-Commit": commit, "X-Error-Code": "EntryNotFound"}}
    with evil(monkeypatch, model, says=says, faults=faults), pytest.raises(BrightrunError):
        get_model(paths)
    assert not list(tmp_path.glob("taken*"))


@pytest.mark.parametrize(
    "leads",
    [
        lambda other: {"/tree/": {"Link": f'<{other}/next>; rel="next"'}},
        lambda other: {
            ".safetensors": {"X-Xet-Hash": "a" * 64, "X-Linked-Size": "9", "X-Xet-Refresh-Route": f"{other}/r"}
        },
        lambda other: {
            ".safetensors": {"X-Xet-Hash": "a" * 64, "X-Linked-Size": "9", "Link": f'<{other}/r>; rel="xet-auth"'}
        },
    ],
)
def test_no_header_leads_the_key_to_another_server(
    leads: Callable[[str], dict[str, dict[str, str]]],
    model: dict[str, bytes],
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with elsewhere() as (other, shown), evil(monkeypatch, model, says=leads(other)), pytest.raises(BrightrunError):
        get_model(paths)
    assert not shown


def test_a_request_that_the_library_sends_elsewhere_has_no_key(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the check of an upload does, whose address the server names."""
    with (
        elsewhere() as (other, shown),
        evil(monkeypatch, {}) as hub,
        hub_client.make_client(5, lambda: {hub.url}) as client,
    ):
        there = client.post(other, headers={"authorization": f"Bearer {KEY}"})
        here = client.get(f"{hub.url}/api/whoami-v2", headers={"authorization": f"Bearer {KEY}"})
    assert there.status_code == 200 and shown == [""] and here.json()["name"] == "me"


def test_a_list_of_files_without_end_is_refused(
    model: dict[str, bytes], paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_client, "MOST_PAGES", 5)
    with evil(monkeypatch, model) as hub:
        hub.says["/tree/"] = {"Link": f'<{hub.url}/api/models/acme/tiny/tree/{COMMIT}?cursor=x>; rel="next"'}
        with pytest.raises(BrightrunError):
            get_model(paths)
        assert sum("/tree/" in path for _, path, _ in hub.requests) == 5


def test_a_file_of_which_a_byte_comes_now_and_then_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It held a thread for good, and whoever had asked for it could not stop it."""
    monkeypatch.setattr(hub_client, "SLOW_SECONDS", 0.2)
    ended = threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            for _ in range(1000):
                if not ended.wait(0.02):
                    self.wfile.write(b".")

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    given_up = pytest.raises(httpx2.ReadTimeout)
    with hub_client.make_client(30, lambda: {url}) as client, client.stream("GET", url) as response, given_up:
        list(response.iter_bytes(chunk_size=10 << 20))
    ended.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("get", [get_model, get_data])
def test_a_password_in_the_address_of_a_mirror_is_not_told(
    get: Callable[[Paths], Path], paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://me:ThePasswordOfTheMirror@127.0.0.1:9/hub")
    with pytest.raises(BrightrunError) as met:
        get(paths)
    told = redact(f"{met.value.what} {met.value.where} {met.value.fix}")
    assert "ThePassword" not in told and "127.0.0.1:9" in told


def test_more_than_the_hub_told_of_is_not_stored(
    model: dict[str, bytes], paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = bytes(64 << 20)
    for kind, files, name, get in (
        ("models", model, "model.safetensors", get_model),
        ("datasets", DATA, "train.jsonl", get_data),
    ):
        more = pytest.raises(BrightrunError, match="more comes from the Hub")
        with evil(monkeypatch, {**files, name: long}, kind, told={name: 40}), more:
            get(paths)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.stat().st_size > 32 << 20]
