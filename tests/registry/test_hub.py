"""Versions to the Hugging Face Hub and back: private unless said otherwise, nothing twice, nothing unchecked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from brightrun_tui import registry
from brightrun_tui.adapter_files import UntrustedError
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, NotConnectedError, UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run import Run
from brightrun_tui.integrations import credentials
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database
from tests.registry.hub_server import TOKEN, Hub, Repository, serving_hub

HOME = "me/harbour"
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def hub(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving_hub() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
        credentials.save("huggingface", TOKEN, paths)
        yield found


@pytest_asyncio.fixture
async def version(db: Database, paths: Paths, source: Path, finished: Callable[..., Run]) -> ModelVersion:
    return await registry.register(db, paths, finished(), source)


async def test_a_push_is_private_tagged_and_whole(hub: Hub, paths: Paths, version: ModelVersion) -> None:
    """Every file of the version arrives as it lies here, in a private repository, under a tag of the version's number."""
    told: list[float] = []
    pushed = await registry.push(paths, version, HOME, tell=lambda what, share: told.append(share))
    there = hub.repositories[HOME]
    assert there.private and pushed.private and there.tags == {"v1": pushed.commit}
    here = {path.name: path.read_bytes() for path in Path(version.directory).iterdir()}
    assert there.commits[pushed.commit] == here
    assert b"model-index:" in here["README.md"]
    assert told == sorted(told) and told[-1] == 1.0 and len(told) > 4, "progress only goes on"


async def test_the_same_push_again_sends_nothing(hub: Hub, paths: Paths, version: ModelVersion) -> None:
    first = await registry.push(paths, version, HOME)
    again = await registry.push(paths, version, HOME)
    assert again.already and again.commit == first.commit and hub.count("/commit/") == 1


async def test_a_push_that_broke_off_goes_on_with_what_is_there(hub: Hub, paths: Paths, version: ModelVersion) -> None:
    """The weights that have arrived are not sent a second time."""
    hub.faults["POST /api/models/me/harbour/commit"] = (403, "Private repository storage limit reached")
    with pytest.raises(BrightrunError) as full:
        await registry.push(paths, version, HOME)
    assert full.value.kind == ErrorKind.HUB_FULL and "storage limit reached" in full.value.what
    sent = hub.received
    pushed = await registry.push(paths, version, HOME)
    assert not pushed.already and hub.received == sent > 0


async def test_a_public_repository_gets_nothing_unasked(hub: Hub, paths: Paths, version: ModelVersion) -> None:
    """The report card holds questions and answers of the data: nobody publishes them by a slip, whatever the Hub's default is."""
    hub.always_public = True
    with pytest.raises(BrightrunError) as refused:
        await registry.push(paths, version, HOME)
    assert refused.value.kind == ErrorKind.REPOSITORY_PUBLIC
    with pytest.raises(UsageError, match="everybody could read"):
        await registry.push(paths, version, HOME)
    assert not hub.count("/commit/") and not hub.received
    pushed = await registry.push(paths, version, HOME, public=True)
    assert not pushed.private


async def test_a_tag_that_is_another_model_is_not_moved(
    hub: Hub, db: Database, paths: Paths, version: ModelVersion
) -> None:
    await registry.push(paths, version, HOME)
    rated = await registry.tick(db, version.ref, 0, True)
    with pytest.raises(UsageError, match="another model"):
        await registry.push(paths, rated, HOME)
    pushed = await registry.push(paths, rated, HOME, tag="ticked")
    assert set(hub.repositories[HOME].tags) == {"v1", "ticked"} and pushed.tag == "ticked"


async def test_who_may_not_write_is_told_so_before_anything_is_sent(
    hub: Hub, paths: Paths, version: ModelVersion
) -> None:
    with pytest.raises(NotConnectedError, match="may not write") as denied:
        await registry.push(paths, version, "others/harbour")
    assert "write access" in denied.value.fix and not hub.received
    credentials.delete("huggingface", paths)
    with pytest.raises(NotConnectedError, match="not connected"):
        await registry.push(paths, version, HOME)
    credentials.save("huggingface", TOKEN[::-1].replace("_", "x"), paths)
    with pytest.raises(NotConnectedError, match="token is not valid"):
        await registry.push(paths, version, HOME)
    with pytest.raises(UsageError, match="not a repository"):
        await registry.push(paths, version, "harbour")


async def test_what_was_pushed_can_be_pulled_by_its_tag(
    hub: Hub, db: Database, paths: Paths, version: ModelVersion
) -> None:
    """Another installation gets the same weights and report card; the same one finds that it has them."""
    await registry.push(paths, version, HOME)
    assert (await registry.pull(db, paths, f"{HOME}@v1")).ref == version.ref, "it is here already"
    await registry.delete(db, paths, version.ref)
    pulled = await registry.pull(db, paths, f"{HOME}@v1")
    assert pulled.ref == "harbour:2" and "imported" in pulled.tags
    assert pulled.report.tuned == version.report.tuned
    assert not list(paths.models.glob(".import-*")), "nothing is left lying about"
    with pytest.raises(BrightrunError, match="no such revision"):
        await registry.pull(db, paths, f"{HOME}@v9")
    with pytest.raises(BrightrunError, match="there is no model"):
        await registry.pull(db, paths, "me/other")


async def test_a_repository_is_trusted_no_more_than_a_bundle(
    hub: Hub, db: Database, paths: Paths, version: ModelVersion
) -> None:
    """Changed weights, files that the manifest does not list, and repositories of others are refused; code is never fetched."""
    await registry.push(paths, version, HOME)
    await registry.delete(db, paths, version.ref)
    repository = hub.repositories[HOME]
    files = repository.commits[repository.head]
    whole = dict(files)
    files["modeling_evil.py"] = b"raise SystemExit"
    assert (await registry.pull(db, paths, HOME)).ref and not hub.count("modeling_evil.py")
    files[WEIGHTS] = whole[WEIGHTS][:-1] + bytes([whole[WEIGHTS][-1] ^ 1])
    with pytest.raises(UntrustedError, match="digest differs"):
        await registry.pull(db, paths, HOME)
    files[WEIGHTS] = whole[WEIGHTS]
    files["vocab.txt"] = b"extra"
    with pytest.raises(UntrustedError, match="not those that its manifest lists"):
        await registry.pull(db, paths, HOME)
    del files["manifest.json"]
    with pytest.raises(UntrustedError, match="did not push it"):
        await registry.pull(db, paths, HOME)


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>Please log in</html>",
        b'{"siblings": [{"rfilename": "manifest.json", "size": "x"}]}',
        b'{"siblings": "x"}',
    ],
)
async def test_what_is_no_answer_of_the_hub_is_said(hub: Hub, db: Database, paths: Paths, answer: bytes) -> None:
    """A network that wants a login, or a mirror that is broken, is no error that nobody foresaw."""
    hub.instead = answer
    with pytest.raises(BrightrunError, match=r"not the Hugging Face Hub|makes no sense") as refused:
        await registry.pull(db, paths, HOME)
    assert refused.value.fix and "directory" not in refused.value.fix
    assert not list(paths.models.glob(".import-*"))


async def test_a_team_sees_rates_and_takes_what_colleagues_pushed(
    hub: Hub, db: Database, paths: Paths, version: ModelVersion
) -> None:
    """Versions, held-out loss and stars stand beside each model; one rating an account, and none is lost to another's."""
    await registry.push(paths, version, HOME)
    await registry.push(paths, version, HOME, tag="v10")
    hub.repositories["me/else"] = Repository(private=False)
    hub.repositories["others/harbour"] = Repository(private=True)
    first = await registry.rate_on_hub(paths, HOME, 2, "too short")
    assert [(each.author, each.stars, each.note) for each in first.ratings] == [("me", 2, "too short")]
    hub.account = "ada"
    hub.faults["POST /api/models/me/harbour/commit"] = (412, "the parent commit is not the newest one")
    second = await registry.rate_on_hub(paths, HOME, 5, "just [b]right[/b]")
    hub.account = "me"
    await registry.rate_on_hub(paths, HOME, 3)
    shared, other = await registry.list_team(paths, "me")
    assert second.stars == 3.5 and shared.stars == 4.0
    assert [(each.author, each.stars) for each in shared.ratings] == [("ada", 5), ("me", 3)]
    assert (shared.repository, shared.versions, shared.private) == (HOME, ("v10", "v1"), True)
    assert shared.loss == round(version.report.tuned.loss, 4) and (other.private, other.versions) == (False, ())
    assert (await registry.pull(db, paths, HOME)).ref == version.ref, "a rating does not change what is pulled"
    assert (await registry.push(paths, version, HOME)).already
    with pytest.raises(BrightrunError, match="did not push"):
        await registry.rate_on_hub(paths, "me/else", 4)
    for wrong in ("../me", "me/harbour", ""):
        with pytest.raises(UsageError, match="not an owner"):
            await registry.list_team(paths, wrong)


@pytest.mark.parametrize(
    "ratings",
    [
        b"",
        b"\xff",
        b"{}",
        b"[[]]",
        b'[{"author": "x", "stars": 6, "time": 1}]',
        b"[" * 5000,
        b'"' + b"x" * (2 << 20) + b'"',
    ],
)
async def test_ratings_that_are_none_do_no_harm(hub: Hub, paths: Paths, version: ModelVersion, ratings: bytes) -> None:
    await registry.push(paths, version, HOME)
    there = hub.repositories[HOME]
    there.commits[there.head]["brightrun-ratings.json"] = ratings
    (shared,) = await registry.list_team(paths, "me")
    assert shared.ratings == () and shared.versions == ("v1",) and not shared.problem
    hub.instead = b'{"siblings": 3}'
    with pytest.raises(BrightrunError, match="not as it should"):
        await registry.list_team(paths, "me")
