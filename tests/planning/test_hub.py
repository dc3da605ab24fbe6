"""Base models of the Hub: downloaded once, resumed after a break, and every refusal in plain words. Real huggingface_hub."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from brightrun_tui.domain.errors import BaseModelError, BrightrunError, NotConnectedError
from brightrun_tui.integrations.hub import cache_directory
from brightrun_tui.paths import Paths
from brightrun_tui.planning import hub_models
from brightrun_tui.planning.bases import describe_base, fetch_base
from tests.planning.hub_stand_in import COMMIT, StandIn

TINY = "acme/tiny"
TOKEN = "hf_abcdefghijklmnop"


def silent(what: str, fraction: float) -> None:
    return None


def test_a_model_is_described_before_it_is_downloaded_and_then_needs_no_network(hub: StandIn, paths: Paths) -> None:
    before = describe_base(TINY, paths)
    assert not before.present and before.architecture.hidden == 64
    assert before.weight_bytes == sum(map(len, hub.files.values()))
    assert not hub.fetched("model.safetensors")
    told: list[float] = []
    ref = fetch_base(TINY, paths, lambda what, fraction: told.append(fraction))
    assert ref.revision == COMMIT and told == sorted(told) and told[-1] == 1.0
    hub.stop()
    after = describe_base(TINY, paths)
    assert after.present and after.ref == ref == fetch_base(TINY, paths, silent)
    snapshot = hub_models.cached_snapshot(TINY, paths)
    assert snapshot and (snapshot / "model.safetensors").read_bytes() == hub.files["model.safetensors"]


def test_a_broken_line_is_taken_up_where_it_broke(hub: StandIn, paths: Paths) -> None:
    hub.cut["model.safetensors"] = 12_000_000
    fetch_base(TINY, paths, silent)
    first, second = hub.fetched("model.safetensors")
    assert first == "" and second.startswith("bytes=") and int(second[6:-1]) > 0
    assert describe_base(TINY, paths).parameters == 60_000 * 64 + 64 * 64


def test_a_stopped_download_keeps_what_is_whole_and_goes_on_from_there(hub: StandIn, paths: Paths) -> None:
    class Stop(Exception):
        pass

    def stop_half_way(what: str, fraction: float) -> None:
        if fraction > 0.5:
            raise Stop

    describe_base(TINY, paths)
    with pytest.raises(Stop):
        fetch_base(TINY, paths, stop_half_way)
    assert not describe_base(TINY, paths).present, "half a model must never count as present"
    snapshot = cache_directory(paths) / "models--acme--tiny" / "snapshots" / COMMIT
    whole_before = {file.name for file in snapshot.iterdir()}
    assert "config.json" in whole_before and "model.safetensors" not in whole_before
    hub.requests.clear()
    fetch_base(TINY, paths, silent)
    assert describe_base(TINY, paths).present
    assert not [name for name in whole_before if hub.fetched(name)], "complete files are not fetched again"


def _gate(hub: StandIn) -> None:
    hub.gated = True


def _fault(part: str, status: int) -> object:
    return lambda hub: hub.faults.update({part: status})


@pytest.mark.parametrize(
    ("spoil", "token", "error", "kind", "fix"),
    [
        (lambda hub: None, "hf_wrongwrongwrong", NotConnectedError, "bad_token", "brightrun connect huggingface"),
        (_gate, "", NotConnectedError, "base_gated", "accept the licence"),
        (_gate, TOKEN, BaseModelError, "base_gated", "accept the licence"),
        (_fault("/api/models/", 403), TOKEN, NotConnectedError, "token_lacks_rights", "read access"),
        (_fault("/api/models/", 500), "", NotConnectedError, "hub_failing", "later"),
        (_fault("/api/models/", 404), "", BaseModelError, "base_unknown", "look at what it holds"),
        (_fault("/api/models/", 429), "", NotConnectedError, "hub_busy", "minutes"),
        (lambda hub: setattr(hub, "repository", "acme/other"), "", BaseModelError, "base_unknown", "spelling"),
        (lambda hub: hub.files.pop("model.safetensors"), "", BaseModelError, "base_no_weights", "safetensors"),
        (lambda hub: hub.files.pop("config.json"), "", BaseModelError, "base_no_config", "original"),
        (lambda hub: hub.stop(), "", NotConnectedError, "hub_unreachable", "network"),
    ],
)
def test_a_refusal_of_the_hub_is_one_sentence_with_its_fix(
    spoil: Callable[[StandIn], object],
    token: str,
    error: type[BrightrunError],
    kind: str,
    fix: str,
    hub: StandIn,
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.tokens = {TOKEN: "ada"}
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    spoil(hub)
    for work in (lambda: describe_base(TINY, paths), lambda: fetch_base(TINY, paths, silent)):
        with pytest.raises(error) as refused:
            work()
        assert refused.value.kind == kind
        assert fix in refused.value.fix
        assert "\n" not in str(refused.value)
        assert not token or token not in str(refused.value)


def test_an_account_that_accepted_the_licence_gets_the_gated_model(
    hub: StandIn, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated, hub.tokens, hub.allowed = True, {TOKEN: "ada"}, {TOKEN}
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert fetch_base(TINY, paths, silent).revision == COMMIT


def test_a_disk_that_is_too_small_is_said_before_the_download(hub: StandIn, paths: Paths) -> None:
    huge = hub.files["model.safetensors"]

    class Huge(bytes):
        def __len__(self) -> int:
            return 10**16

    hub.files["model.safetensors"] = Huge(huge)
    with pytest.raises(BrightrunError) as refused:
        fetch_base(TINY, paths, silent)
    assert refused.value.kind == "disk_full" and "HF_HOME" in refused.value.fix
    assert not hub.fetched("model.safetensors")


def test_a_catalogue_model_is_planned_without_asking_the_network(hub: StandIn, paths: Paths) -> None:
    info = describe_base("Qwen/Qwen2.5-7B-Instruct", paths)
    assert not info.present and info.weight_bytes > 10**10
    assert not hub.requests


def test_a_failure_is_not_asked_for_again_with_every_key_press(hub: StandIn, paths: Paths) -> None:
    for _ in range(5):
        with pytest.raises(BaseModelError):
            describe_base("acme/typo", paths)
    assert len(hub.requests) == 1
