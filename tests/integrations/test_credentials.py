"""A credential is found where it should be, kept as privately as the machine allows, and never shown."""

from __future__ import annotations

import json
import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.integrations import credentials, keyring_client
from brightrun_tui.paths import Paths

SECRET = "rpa_SECRETSECRET1234"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the keyrings of `keyrings` keep their secrets."""
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path / "keyring.json"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path / "keyring.json"


def choose(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", f"tests.integrations.keyrings.{name}")


def test_without_a_keyring_a_private_file_is_used_and_called_what_it_is(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose("Missing", monkeypatch)
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    assert credentials.where("runpod", paths) == "" and credentials.get("runpod", paths) is None
    assert credentials.save("runpod", SECRET, paths) == "file" == credentials.where("runpod", paths)
    assert "not encrypted" in credentials.PLACES["file"]
    assert stat.S_IMODE(paths.credentials_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(paths.config.stat().st_mode) == 0o700
    found = credentials.get("runpod", paths)
    assert found and found.get_secret_value() == SECRET
    assert credentials.delete("runpod", paths) and credentials.get("runpod", paths) is None
    assert SECRET not in paths.credentials_file.read_text() and not credentials.delete("runpod", paths)


def test_a_file_that_others_could_read_is_closed_before_it_is_used(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose("Missing", monkeypatch)
    credentials.save("runpod", SECRET, paths)
    paths.credentials_file.chmod(0o644)
    assert credentials.get("runpod", paths)
    assert stat.S_IMODE(paths.credentials_file.stat().st_mode) == 0o600


def test_the_environment_wins_and_is_copied_nowhere(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("Missing", monkeypatch)
    credentials.save("runpod", SECRET, paths)
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_fromtheenvironment")
    found = credentials.get("runpod", paths)
    assert found and found.get_secret_value() == "rpa_fromtheenvironment"
    assert credentials.where("runpod", paths) == "environment"
    assert not [
        path for path in paths.config.parent.rglob("*") if path.is_file() and b"fromtheenvironment" in path.read_bytes()
    ]


def test_a_secret_is_in_no_repr_no_log_and_no_error(
    paths: Paths, keyring: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    choose("Locked", monkeypatch)
    caplog.set_level(logging.DEBUG)
    assert credentials.save("runpod", SECRET, paths) == "file"
    found = credentials.get("runpod", paths)
    assert SECRET not in f"{found!r} {found} {[found]} {caplog.text}"
    with pytest.raises(UsageError) as refused:
        credentials.save("runpod", f"{SECRET} {SECRET}", paths)
    assert SECRET not in str(refused.value) and SECRET not in str(refused.value.as_dict())


def test_a_working_keyring_holds_the_secret_and_the_file_only_says_where(
    paths: Paths, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose("Good", monkeypatch)
    assert credentials.save("runpod", SECRET, paths) == "keyring" == credentials.where("runpod", paths)
    assert list(json.loads(keyring.read_text())) == ["brightrun/runpod"], "the canary of the probe is gone again"
    assert SECRET not in paths.credentials_file.read_text()
    found = credentials.get("runpod", paths)
    assert found and found.get_secret_value() == SECRET
    assert credentials.delete("runpod", paths) and keyring.read_text() == "{}"


@pytest.mark.slow
def test_a_keyring_that_hangs_is_asked_once_and_leaves_no_process(
    paths: Paths, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose("Hanging", monkeypatch)
    monkeypatch.setattr(keyring_client, "PROBE_SECONDS", 1.0)
    assert credentials.save("runpod", SECRET, paths) == "file"
    asked = json.loads(keyring.read_text())
    assert not psutil.pid_exists(asked["pid"])
    assert credentials.save("vast", SECRET, paths) == "file"
    assert json.loads(keyring.read_text()) == asked, "it is not asked again"


def test_a_keyring_that_keeps_plain_text_is_never_used(
    paths: Paths, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose("Plaintext", monkeypatch)
    assert credentials.save("runpod", SECRET, paths) == "file"
    assert not keyring.exists()


def test_a_keyring_that_stops_working_is_one_clear_error(
    paths: Paths, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose("Good", monkeypatch)
    credentials.save("runpod", SECRET, paths)
    keyring.write_text("{")
    with pytest.raises(BrightrunError) as refused:
        credentials.get("runpod", paths)
    assert refused.value.kind == "keyring_refused" and refused.value.fix and SECRET not in str(refused.value)


def test_the_login_of_the_hugging_face_tool_is_found(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("hf_fromthelogin\n")
    found = credentials.get("huggingface", paths)
    assert (
        found and found.get_secret_value() == "hf_fromthelogin" and credentials.where("huggingface", paths) == "login"
    )


def test_several_savers_at_once_lose_nothing(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("Missing", monkeypatch)
    credentials.save("huggingface", "hf_first", paths)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: credentials.save(("runpod", "vast")[n % 2], f"key{n}", paths), range(16)))
    assert {credentials.where(name, paths) for name in ("huggingface", "runpod", "vast")} == {"file"}
    assert not [path for path in paths.config.iterdir() if path.name.startswith(".credentials")]


def test_a_home_that_cannot_be_written_is_one_clear_error(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    choose("Missing", monkeypatch)
    paths.config.parent.write_text("a file where the home should be")
    with pytest.raises(BrightrunError) as refused:
        credentials.save("runpod", SECRET, paths)
    assert refused.value.kind == "home_not_writable"
