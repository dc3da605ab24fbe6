"""A secret is where its user put it, and nowhere else: not in files, logs, outputs, command lines, children, crashes."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import SecretStr

from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.integrations import credentials
from brightrun_tui.integrations.connection import test_service as check_service
from brightrun_tui.integrations.rental import connected_providers
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.redaction import keep_secret, redact
from tests.attacks.echo import Echo
from tests.cli.conftest import CommandLine, brightrun
from tests.clouds import vast
from tests.clouds.server import CloudServer
from tests.processes import words_of
from tests.tui import seed

__all__ = ["brightrun"]

ROOT = Path(__file__).parents[2]

FORMS = {
    "plain": "{}",
    "curly quotes": "“{}”",
    "straight quotes": '"{}"',
    "an ellipsis within": "rpa_{}…x",
    "a line break within": "rpa_{}\nx: y",
    "an escape sequence within": "rpa_{}\x1b[2J",
    "no-break space": "Bearer\u00a0{}",
    "another script": "кл{}ключ",
}
"""How a key arrives when it was copied from a page, a mail or a file."""

VERBS = [
    ["integrations", "--test"],
    ["integrations", "--test", "--json"],
    ["integrations"],
    ["offers"],
    ["offers", "--json"],
    ["offers", "--provider", "runpod", "--json"],
    ["offers", "--provider", "vast"],
    ["reconcile"],
    ["reconcile", "--json"],
    ["models", "judge", "tone:1", "--url", "ECHO/v1", "--model", "m", "--json"],
    ["models", "judge", "tone:1", "--url", "ECHO/v1", "--model", "m"],
    ["estimate", "DATA", "--provider", "vast", "--json"],
    ["estimate", "DATA", "--base", "a/b", "--json"],
    ["train", "DATA", "--provider", "runpod", "--yes", "--json"],
    ["bases", "fetch", "a/b", "--json"],
    ["connect", "vast"],
    ["connect", "runpod", "--json"],
    ["connect", "judge", "--json"],
    ["connect", "huggingface"],
    ["endpoints", "--all", "--json"],
    ["endpoints", "--all"],
    ["runs"],
    ["models", "show", "tone:1"],
    ["costs", "--json"],
]

SCRIPT = """
import asyncio, io, json, logging, os, sys, threading, warnings
from brightrun_tui import cli
from brightrun_tui.logs import guard_process
from brightrun_tui.process import begin_privately

begin_privately()
guard_process(watched=True)
given = json.loads(sys.stdin.read())
for words in given["verbs"]:
    sys.stdin = io.StringIO(given["typed"] + "\\n")
    assert cli.run(words) in (0, 1, 2, 3, 4, 5), words

from brightrun_tui.commands.shared.session import with_store
from brightrun_tui.domain.requests import StandBy
from brightrun_tui.orchestrator import client
with_store(lambda session: client.ask(session.db, session.paths, StandBy(), wait=20))

from brightrun_tui.integrations import credentials
from brightrun_tui.commands import locate


def crash(*_):
    key = given["typed"]
    try:
        headers = {"Authorization": f"Bearer {key}"}
        headers["Authorization"].encode("ascii")
        raise RuntimeError(f"{headers} {key!r} {ascii(key)} {key.encode()!r} {json.dumps(key)}")
    except Exception as error:
        raise ValueError(repr(error), error.args, key) from error

try:
    credentials.save("vast", given["typed"])
except Exception:
    pass
logging.basicConfig(level=logging.DEBUG)
locate.get_paths = crash
assert cli.run(["locate", "--json"]) == 1 and cli.run(["locate"]) == 1
thread = threading.Thread(target=crash)
thread.start()
thread.join()

class Raising:
    def __del__(self):
        crash()

Raising()
warnings.warn(f"deprecated: Bearer {given['typed']}")
logging.getLogger("uvicorn.error").error("%s %r", given["typed"], {"key": given["typed"]}, exc_info=ValueError(given["typed"]))
logging.getLogger("x").error("Authorization: %s", given["typed"], 1, 2)

async def task():
    asyncio.create_task(asyncio.to_thread(crash))
    await asyncio.sleep(0.05)

asyncio.run(task())
crash()
"""
"""Every verb, then every way in which an error that nobody caught can be told."""


class Places:
    """A canary in every place where a secret can be."""

    def __init__(self, form: str) -> None:
        self.cores = {
            place: f"c4n4ry{secrets.token_hex(10)}"
            for place in (
                "environment: runpod",
                "environment: judge",
                "file: vast",
                "keyring: runpod, judge",
                "login: hugging face",
                "typed",
                "endpoint key",
                "environment: of other programs",
            )
        }
        self.form = form

    def __getitem__(self, place: str) -> str:
        return FORMS[self.form].format(self.cores[place])

    def found(self, text: bytes) -> set[str]:
        return {place for place, core in self.cores.items() if core.encode() in text}


def _installation(home: Path, places: Places) -> dict[str, str]:
    """Files as a person or an older version left them, and the variables."""
    paths = Paths(home / "config", home / "data", home / "cache", home / "logs")
    asyncio.run(_fill(paths))
    key = home / "data" / "endpoints" / "ep-7f3a" / "key"
    key.write_text(f"br-{places.cores['endpoint key']}\n")
    paths.config.mkdir(exist_ok=True)
    backend = "tests.integrations.keyrings:Good"
    paths.credentials_file.write_text(
        json.dumps(
            {"vast": {"secret": places["file: vast"]}, "judge": {"keyring": backend}, "runpod": {"keyring": backend}}
        )
    )
    keyring = home.parent / "keyring.json"
    keyring.write_text(
        json.dumps({f"brightrun/{name}": places["keyring: runpod, judge"] for name in ("judge", "runpod")})
    )
    (home.parent / "hf").mkdir()
    (home.parent / "hf" / "token").write_text(places["login: hugging face"])
    lines = [json.dumps({"prompt": f"What costs lamp {n}?", "completion": f"It costs {n} dollars."}) for n in range(40)]
    (home.parent / "data.jsonl").write_text("\n".join(lines))
    return {
        "HF_HOME": str(home.parent / "hf"),
        "TEST_KEYRING": str(keyring),
        "PYTHONPATH": str(ROOT),
        "BRIGHTRUN_LOG": "debug",
        "PYTHON_KEYRING_BACKEND": "tests.integrations.keyrings.Good",
        "TMPDIR": str(home.parent / "tmp"),
        "BRIGHTRUN_ENGINE_IDLE_SECONDS": "20",
        "BRIGHTRUN_PROVIDERS_TRIES": "2",
        "BRIGHTRUN_PROVIDERS_PACE": "0",
        "BRIGHTRUN_PROVIDERS_BACKOFF_SECONDS": "0.01",
        "AWS_SECRET_ACCESS_KEY": places["environment: of other programs"],
        "SMTP_PASS": places["environment: of other programs"],
        "SLACK_WEBHOOK_URL": f"https://hooks.test/{places['environment: of other programs']}",
        "DATABASE_URL": f"postgres://me:{places.cores['environment: of other programs']}@db.test/x",
    }


async def _fill(paths: Paths) -> None:
    from brightrun_tui.store import open_database

    async with open_database(paths.database) as db:
        model = await seed.add_model(db, paths, "tone", "x-1")
        await seed.add_endpoint(db, paths, model, state="ready")


def _addresses(url: str) -> dict[str, str]:
    return {
        "BRIGHTRUN_RUNPOD_URL": f"{url}/v2",
        "BRIGHTRUN_RUNPOD_GRAPHQL_URL": f"{url}/graphql",
        "BRIGHTRUN_VAST_URL": url,
        "HF_ENDPOINT": url,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "by"),
    [
        ("plain", "environment"),
        ("curly quotes", "environment"),
        ("straight quotes", "environment"),
        ("a line break within", "environment"),
        ("plain", "keyring"),
        ("another script", "keyring"),
    ],
)
def test_no_canary_is_anywhere_but_where_it_was_put(brightrun: CommandLine, tmp_path: Path, form: str, by: str) -> None:
    """Every verb that uses a key, against services that tell it back; then crashes of six kinds with it in hand."""
    places = Places(form)
    home = brightrun.home
    environment = brightrun.environment(**_installation(home, places))
    if by == "environment":
        environment |= {
            "RUNPOD_API_KEY": places["environment: runpod"],
            "BRIGHTRUN_JUDGE_KEY": places["environment: judge"],
        }
    (tmp_path / "tmp").mkdir()
    put_there = {
        home / "config" / "credentials.json",
        tmp_path / "keyring.json",
        tmp_path / "hf" / "token",
        home / "data" / "endpoints" / "ep-7f3a" / "key",
    }
    with Echo() as echo:
        environment |= _addresses(echo.url)
        data = str(tmp_path / "data.jsonl")
        verbs = [[word.replace("ECHO", echo.url).replace("DATA", data) for word in words] for words in VERBS]
        given = json.dumps({"verbs": verbs, "typed": places["typed"]})
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input=given,
            text=True,
            capture_output=True,
            env=environment,
            cwd=tmp_path,
            timeout=120,
        )
        assert done.returncode == 1, done.stderr[-3000:]  # its last crash
        asked = echo.asked
        engine = _wait_for_engine(brightrun, home)
        children = _children(brightrun)
    assert engine and (asked > 10 or form != "plain"), "a key that can be one was used"
    table: dict[str, set[str]] = {
        "output": places.found(done.stdout.encode() + done.stderr.encode()),
        "files": set(),
        "command lines": set(),
        "environment of children": set(),
    }
    for path in [Path(folder) / name for folder, _, names in os.walk(tmp_path) for name in names]:
        if path.is_file() and path not in put_there:
            hits = places.found(path.read_bytes()) | places.found(str(path).encode())
            table["files"] |= {f"{place} in {path.relative_to(tmp_path)}" for place in hits}
    for pid, words, variables in children:
        table["command lines"] |= places.found(words)
        if pid != engine:
            table["environment of children"] |= {f"{place} in {words!r}" for place in places.found(variables)}
    print(
        f"\n{form}, by {by}; {len(places.cores)} canaries: "
        + ", ".join(f"{where} {len(hits)} hits" for where, hits in table.items())
    )
    assert not any(table.values()), table
    assert "Traceback" not in done.stdout


def _children(line: CommandLine) -> list[tuple[int, bytes, bytes]]:
    """Everything that runs: its pid, command line and environment."""
    found = []
    for process in line.processes():
        with suppress(OSError):  # it has ended meanwhile
            at = Path(f"/proc/{process.pid}")
            found.append((process.pid, (at / "cmdline").read_bytes(), (at / "environ").read_bytes()))
    return found


def _wait_for_engine(line: CommandLine, home: Path) -> int:
    """Its pid, once it has swept and a worker stands by."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        log = home / "logs" / "engine.log"
        engines: list[int] = [
            process.pid for process in line.processes() if "brightrun_tui.orchestrator" in words_of(process)
        ]
        if engines and log.exists() and "sweep" in log.read_text():
            return engines[0]
        time.sleep(0.05)
    raise AssertionError((home / "logs" / "engine.log").read_text())


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    for name in ("RUNPOD_API_KEY", "VAST_API_KEY", "HF_TOKEN", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    return get_paths()


@pytest.mark.parametrize("form", [form for form in FORMS if form != "plain"])
def test_a_key_that_cannot_be_one_is_refused_with_its_place_and_without_its_value(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """On saving, on trying, and on reading from each place: what is wrong is said by position and name of the character."""
    bad = FORMS[form].format("k3yk3yk3yk3y")
    with pytest.raises(UsageError) as saving:
        credentials.save("vast", bad, paths)
    monkeypatch.setenv("RUNPOD_API_KEY", bad)
    with pytest.raises(BrightrunError) as variable:
        credentials.get("runpod", paths)
    assert variable.value.where == "RUNPOD_API_KEY"
    paths.config.mkdir(parents=True, exist_ok=True)
    paths.credentials_file.write_text(json.dumps({"vast": {"secret": bad}}))
    with pytest.raises(BrightrunError) as file:
        credentials.get("vast", paths)
    assert file.value.where == str(paths.credentials_file) and "connect vast" in file.value.fix
    tried = asyncio.run(check_service("vast", paths, SecretStr(bad)))
    for told in (saving.value, variable.value, file.value):
        assert "k3y" not in str(told.as_dict()) and told.kind == "bad_credential"
        assert "character" in told.what and "U+" in told.what
    assert tried.state == "failed" and "U+" in tried.detail and "k3y" not in repr(tried)


def test_blanks_around_a_key_do_not_matter(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's last line break, or a space that was copied along."""
    monkeypatch.setenv("VAST_API_KEY", "  k3yk3yk3y\r\n")
    found = credentials.get("vast", paths)
    assert found is not None and found.get_secret_value() == "k3yk3yk3y"
    assert credentials.save("runpod", "\tk3yk3yk3y \n", paths) == "file"
    assert json.loads(paths.credentials_file.read_text())["runpod"]["secret"] == "k3yk3yk3y"


@pytest.fixture
def clouds() -> Iterator[CloudServer]:
    with CloudServer() as server:
        yield server


def test_one_bad_key_leaves_the_other_provider_swept_tested_and_offered(
    brightrun: CommandLine, clouds: CloudServer
) -> None:
    """The sweep of every provider was dead, and four verbs ended in “an error nobody foresaw”, because of one pasted quote."""
    broken = {**clouds.environment, "RUNPOD_API_KEY": "“rpa_pasted”"}
    offered = brightrun("offers", "--json", **broken)
    assert offered.code == 4 and {offer["provider"] for offer in offered.document["offers"]} == {"local", "vast"}
    assert list(offered.document["silent"]) == ["runpod"] and "runpod does not say" in offered.err
    told = brightrun("reconcile", "--json", **broken)
    assert (told.code, list(told.document["unreadable"])) == (1, ["runpod"]) and "U+201C" in told.document[
        "unreadable"
    ]["runpod"]
    states = {
        row["name"]: row["state"]
        for row in brightrun("integrations", "--test", "--json", **broken).document["services"]
    }
    assert states["vast"] == "ok" and states["runpod"] == "failed"
    assert brightrun("engine", "start", **broken).code == 0
    log = brightrun.home / "logs" / "engine.log"
    end = time.monotonic() + 30
    while "sweep" not in log.read_text() and time.monotonic() < end:
        time.sleep(0.05)
    assert "runpod" in log.read_text() and "pasted" not in log.read_text() and "vast does not" not in log.read_text()


def test_a_provider_that_raises_anything_is_its_own_state(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever class of error a service's code comes up with, its card is red and the others are as they are."""

    def broken(*_: object, **__: object) -> None:
        raise LookupError("Bearer k3yk3yk3yk3y")

    monkeypatch.setattr("brightrun_tui.integrations.connection.open_provider", broken)
    monkeypatch.setenv("VAST_API_KEY", vast.KEY)
    status = asyncio.run(check_service("vast", paths))
    assert status.state == "failed" and "LookupError" in status.detail and "k3y" not in repr(status)
    paths.config.mkdir(parents=True)
    paths.credentials_file.write_text('{"vast": "no entry", "runpod": 5}')
    assert connected_providers(paths) == ["runpod", "vast"], (
        "what may have machines of ours is asked, and says what is wrong"
    )


@pytest.mark.parametrize(
    "key", ["rpa_SECRETSECRET", "“rpa_ключ”", "a/b+c=d?e f", "line\nbreak\tkey", "\udcff\x00key-key"]
)
def test_a_known_secret_is_blanked_however_a_library_quotes_it(key: str) -> None:
    keep_secret(key)
    written = f"{key} {key!r} {key!a} {key.encode('utf-8', 'surrogatepass')!r} {json.dumps(key)} {json.dumps([key])}"
    assert not any(part in redact(written) for part in ("SECRET", "rpa_", "ключ", "key", "b+c"))


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcd1234",
        "{'Authorization': 'Bearer abcd1234', 'x': 1}",
        "authorization=abcd1234",
        "b'Bearer abcd1234'",
        "Bearer%20abcd1234",
        "token hf_abcd12341234",
        "ProxyError: http://me:abcd1234@proxy.test:3128/",
        "sk-abcd1234abcd1234",
        "br-" + "abcd1234" * 5 + "xyz",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nabcd1234\n-----END OPENSSH PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_secret_is_blanked_though_nobody_said_so(text: str) -> None:
    assert "abcd1234" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "lease br-1a2b-run12345678-1 is live",
        "the bearer of this",
        "task-forces at risk-level",
        "sha256:" + "ab12" * 16,
        "24 authorizations",
        "HF_ENDPOINT and HF_HUB_OFFLINE are variables",
    ],
)
def test_ordinary_words_are_not_blanked(text: str) -> None:
    assert redact(text).startswith(text[:10]) and "…" not in redact(text).replace("bearer …", "")


def test_an_address_that_was_typed_where_none_belongs_is_in_no_log(brightrun: CommandLine) -> None:
    """``notify add NAME ADDRESS`` instead of the address on standard input: the log had it."""
    address = "json://127.0.0.1:9/c4n4ry?token=c4n4ry"
    for words in (["notify", "add", "team", address], ["runs", f"--name={address}"], [address]):
        assert brightrun(*words, BRIGHTRUN_LOG="debug").code == 2
    log = (brightrun.home / "logs" / "brightrun.log").read_text()
    assert "notify add" in log and "--name" in log and "c4n4ry" not in log
