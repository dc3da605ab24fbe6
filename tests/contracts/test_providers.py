"""What every provider keeps before it is asked anything; what it says of machines is tested against a stand-in of its own."""

from __future__ import annotations

import inspect
import json
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from brightrun_tui.hosts.boot import GuardTimes, start_guard
from brightrun_tui.integrations.boxes import save_box
from brightrun_tui.integrations.rental import is_set_up, open_provider
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.providers.base import Provider
from brightrun_tui.providers.box import SshBox
from brightrun_tui.providers.spec import provider_names, provider_spec

METHODS = [name for name, member in vars(Provider).items() if inspect.isfunction(member) and not name.startswith("_")]


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    return get_paths()


@pytest.mark.parametrize("name", provider_names())
async def test_it_opens_without_asking_anybody_and_brings_its_guard(
    name: str, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening is free, every question can be asked, and the guard of the spec is the one on its machines."""
    save_box(paths, "box", SshBox(host="127.0.0.1", port=9))
    spec = provider_spec(name)
    assert spec is not None and spec.name == name
    provider = open_provider(name, paths, SecretStr("k" * 20), guard=GuardTimes(silence=700.0, tick=4.0))
    try:
        assert provider.name == name
        for method in METHODS:
            ours, its = inspect.signature(getattr(Provider, method)), inspect.signature(getattr(provider, method))
            assert list(its.parameters) == list(ours.parameters)[1:], f"{method}{its}"
        monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
        options = provider.guard_options(time.time() + 3600)
        assert (options is None) == (spec.guard is None)
        if options is not None:
            assert options.part == spec.guard and options.silence == 700.0 and options.tick == 4.0
            assert options.seconds == 3600
            assert "'" not in start_guard(options)
            assert "k" * 20 not in options.argument(), "the guard uses the key of its machine, not the person's"
            assert json.loads(options.argument())["ways"], "there is a way to end a machine"
    finally:
        await provider.close()


@pytest.mark.parametrize("name", provider_names())
def test_without_a_key_or_machines_it_is_not_set_up(name: str, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = provider_spec(name)
    assert spec is not None
    monkeypatch.delenv(spec.environment or "NO_SUCH_VARIABLE", raising=False)
    assert not is_set_up(name, paths)
