"""The judge: fair to both answers, plain about what goes wrong, and trusted with nothing but the samples."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.domain.errors import BrightrunError, NotConnectedError, UsageError
from brightrun_tui.domain.model import ModelVersion, SampleAnswer
from brightrun_tui.domain.run import Run
from brightrun_tui.integrations import credentials
from brightrun_tui.integrations.connection import test_service as look_at
from brightrun_tui.integrations.judge import Judge, judge_key, judge_settings
from brightrun_tui.orchestrator.judging import judge_if_asked
from brightrun_tui.paths import Paths
from brightrun_tui.registry import export, import_bundle, judge_version, register, report_markdown
from brightrun_tui.registry.intake import rewrite_report
from brightrun_tui.registry.judging import judge_samples, read_choice
from brightrun_tui.registry.safety import check_files, read_manifest
from brightrun_tui.store import Database, models, open_database, runs
from tests.registry.judge_server import KEY, JudgeServer, by_marker, completion, prefer, refusal, serving_judge

SAMPLES = tuple(
    SampleAnswer(
        id=f"q{n}", prompt=({"role": "user", "content": f"question {n}"},), reference="wanted", base=base, tuned=tuned
    )
    for n, (base, tuned) in enumerate(
        (("plain", "GOOD one"), ("plain", "GOOD two"), ("GOOD old", "worse"), ("x", "y"), ("same", "same "))
    )
)


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.delenv("BRIGHTRUN_JUDGE_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with serving_judge(prefer(by_marker("GOOD"))) as server:
        yield server


@pytest.fixture
async def version(db: Database, paths: Paths, finished: Callable[..., Run], source: Path) -> ModelVersion:
    registered = await register(db, paths, finished(), source)
    judged = await models.save_report(db, registered, registered.report.model_copy(update={"samples": SAMPLES}))
    rewrite_report(judged)
    return judged


def judge_at(server: JudgeServer, paths: Paths, key: str = KEY, **changes: Any) -> Judge:
    from pydantic import SecretStr

    settings = judge_settings(paths, url=server.url, model="judge-1").model_copy(update=changes)
    return Judge(settings, SecretStr(key))


async def test_both_orders_are_asked_and_the_result_is_on_the_report_card(
    version: ModelVersion, db: Database, paths: Paths, server: JudgeServer, tmp_path: Path
) -> None:
    """Who wins wins from either place; the same answer twice costs nothing; all of it is kept, shown and exported."""
    seen: list[tuple[int, int]] = []
    async with judge_at(server, paths) as judge:
        judged = await judge_version(db, version, judge, lambda done, total: seen.append((done, total)))
    found = judged.report.judgement
    assert found is not None and [ruling.outcome for ruling in found.rulings] == ["win", "win", "loss", "tie", "tie"]
    assert (found.questions, found.swayed, found.prompt_tokens, found.completion_tokens) == (8, 0, 800, 160)
    assert found.host == server.url.split("/")[2] and seen[-1] == (5, 5)
    assert found.rulings[0].reason == "it is [31m nearer to what is wanted"
    material = [json.loads(body["messages"][-1]["content"]) for body in server.bodies]
    for sample in SAMPLES[:4]:
        shown = [(m["answer_a"], m["answer_b"]) for m in material if m["conversation"] == list(sample.prompt)]
        assert sorted(shown) == sorted([(sample.base, sample.tuned), (sample.tuned, sample.base)])
    assert all(m["wanted"] == "wanted" for m in material)
    reason = next(reason for reason in judged.report.verdict.reasons if "judge" in reason)
    assert "in 2 of 5 cases, the base model's in 1; 2 were ties" in reason
    assert "the tuned answer is better" in report_markdown(judged.report)
    directory = Path(judged.directory)
    check_files(directory, read_manifest(directory / "manifest.json", "").files, "")
    there = Paths(*(tmp_path / "elsewhere" / name for name in ("config", "data", "cache", "logs")))
    async with open_database(there.database) as other:
        arrived = await import_bundle(other, there, await export(judged, tmp_path / "b.tar", form="bundle"))
    assert arrived.report.judgement == found


async def test_a_later_judgement_replaces_the_earlier_one(
    version: ModelVersion, db: Database, paths: Paths, server: JudgeServer
) -> None:
    """One judge's sentence in the verdict, the newest; stars given meanwhile are not lost."""
    async with judge_at(server, paths) as judge:
        await judge_version(db, version, judge)
        await models.annotate(db, await models.get(db, version.name), rating=4)
        server.answer = prefer(lambda material: "tie")
        judged = await judge_version(db, await models.get(db, version.name), judge)
    assert sum("a judge" in reason for reason in judged.report.verdict.reasons) == 1
    assert "0 of 5" in judged.report.verdict.reasons[-1] and (await models.get(db, version.name)).rating == 4


async def test_a_judge_that_always_takes_the_first_answer_decides_nothing(paths: Paths, server: JudgeServer) -> None:
    """Position bias gives ties, counted as what they are; it is not a praise for anybody."""
    server.answer = prefer(lambda material: "A")
    async with judge_at(server, paths) as judge:
        found = await judge_samples(SAMPLES, judge)
    assert {ruling.outcome for ruling in found.rulings} == {"tie"} and found.swayed == 4


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ('{"winner": "A", "reason": "r"}', "tuned"),
        ('{"winner":"B"}', "base"),
        ('```json\n{"winner": "tie", "reason": ""}\n```', "tie"),
        ('{"winner": "a"}', None),
        ('{"winner": "A or B"}', None),
        ('The better one is {"winner": "A"}', None),
        ('["A"]', None),
        ("A", None),
        ("", None),
        ('{"winner": ["A"]}', None),
    ],
)
def test_only_the_json_asked_for_is_a_ruling(text: str, choice: str | None) -> None:
    """Chatter is not interpreted: what is not the object asked for counts as unreadable."""
    found = read_choice(text, tuned_first=True)
    assert (found[0] if found else None) == choice


@pytest.mark.parametrize(
    ("first", "second", "outcome", "right"),
    [
        ('{"winner": "B", "right": ["B"]}', '{"winner": "A", "right": ["A"]}', "win", True),
        ('{"winner": "B", "right": []}', '{"winner": "A", "right": []}', "win", False),
        ('{"winner": "tie", "right": ["A", "B"]}', '{"winner": "tie", "right": ["B"]}', "tie", None),
        ('{"winner": "A"}', '{"winner": "B"}', "loss", None),
    ],
)
async def test_a_judge_says_whether_the_answer_is_right_and_must_say_it_twice(
    paths: Paths, server: JudgeServer, first: str, second: str, outcome: str, right: bool | None
) -> None:
    """Better than the base model is not right: both are asked, in both orders, and a judge who wavers has said nothing."""
    server.answer = lambda body: completion(first if len(server.bodies) == 1 else second)
    async with judge_at(server, paths) as judge:
        found = await judge_samples(SAMPLES[:1], judge)
    assert [(ruling.outcome, ruling.right) for ruling in found.rulings] == [(outcome, right)]


async def test_unreadable_answers_are_counted_and_all_of_them_are_an_error(
    version: ModelVersion, db: Database, paths: Paths, server: JudgeServer
) -> None:
    """Some: said beside the result. All: an error with a way out, and nothing is kept."""
    good = server.answer
    server.answer = lambda body: (
        completion("I like both!") if "question 1" in body["messages"][-1]["content"] else good(body)
    )
    async with judge_at(server, paths) as judge:
        judged = await judge_version(db, version, judge)
        assert judged.report.judgement and judged.report.judgement.count("unparsable") == 1
        assert "1 could not be read" in judged.report.verdict.reasons[-1]
        server.answer = lambda body: completion(None)
        with pytest.raises(BrightrunError, match="not one of 8 answers") as refused:
            await judge_version(db, judged, judge)
    assert "more capable" in refused.value.fix
    assert (await models.get(db, version.name)).report.judgement == judged.report.judgement


@pytest.mark.parametrize(
    ("answer", "kind", "word"),
    [
        (refusal(404, "The model `x` does not exist", "model_not_found"), "judge_not_found", "does not exist"),
        ((200, b"<html>Welcome to nginx</html>"), "judge_not_openai", "does not answer as OpenAI"),
        ((200, {"object": "error", "text": "?"}), "judge_not_openai", "does not answer as OpenAI"),
        ((200, [1, 2]), "judge_not_openai", "does not answer as OpenAI"),
        ((302, b""), "judge_failed", "302"),
        (refusal(400, "context too long"), "judge_failed", "context too long"),
        (refusal(429, "You exceeded your current quota", "insufficient_quota"), "judge_busy", "quota"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_judge_that_misbehaves_is_named_with_its_fault(
    paths: Paths, server: JudgeServer, answer: Any, kind: str, word: str
) -> None:
    """One error in words, after a single question; never a traceback, never an endless wait."""
    server.answer = lambda body: answer
    async with judge_at(server, paths) as judge:
        with pytest.raises(BrightrunError, match=word) as refused:
            await judge_samples(SAMPLES, judge)
    assert refused.value.kind == kind and refused.value.fix and len(server.bodies) <= 2


async def test_no_answer_and_no_server_are_told_apart(paths: Paths, server: JudgeServer) -> None:
    server.silent.set()
    async with judge_at(server, paths, timeout_seconds=0.3) as judge:
        with pytest.raises(NotConnectedError, match="no answer within"):
            await judge_samples(SAMPLES, judge)
    gone = judge_settings(paths, url="http://127.0.0.1:9/v1", model="m")
    async with Judge(gone, None) as judge:
        with pytest.raises(NotConnectedError, match="cannot be reached"):
            await judge_samples(SAMPLES, judge)


async def test_a_busy_judge_is_waited_for(paths: Paths, server: JudgeServer) -> None:
    """429 and 500 pass; the question is asked again, and no ruling is lost."""
    good, turns, lock = server.answer, [0], threading.Lock()

    def moody(body: dict[str, Any]) -> Any:
        with lock:
            turns[0] += 1
            turn = turns[0]
        return refusal(429, "slow down") if turn == 1 else refusal(503, "overloaded") if turn == 3 else good(body)

    server.answer, server.headers = moody, {"Retry-After": "0.05"}
    async with judge_at(server, paths) as judge:
        found = await judge_samples(SAMPLES, judge)
    assert found.count("win") == 2 and found.count("unparsable") == 0


async def test_models_that_take_no_options_are_asked_without_them(paths: Paths, server: JudgeServer) -> None:
    """Reasoning models refuse a temperature and max_tokens: what is complained about is left out, the rest stays."""
    good = server.answer

    def picky(body: dict[str, Any]) -> Any:
        for name in ("max_tokens", "temperature"):
            if name in body:
                return refusal(
                    400, f"Unsupported parameter: '{name}' is not supported with this model.", "unsupported_parameter"
                )
        return good(body)

    server.answer = picky
    async with judge_at(server, paths) as judge:
        found = await judge_samples(SAMPLES, judge)
    assert found.count("win") == 2
    assert "temperature" not in server.bodies[-1] and server.bodies[-1]["response_format"] == {"type": "json_object"}


async def test_a_wrong_key_is_refused_once_and_told_to_nobody(paths: Paths, server: JudgeServer) -> None:
    """The server repeats the key in its error; the message, and so every log, does not hold it."""
    wrong = "sk-wrong-9876543210zyxwvutsrqponm"
    async with judge_at(server, paths, key=wrong) as judge:
        with pytest.raises(NotConnectedError) as refused:
            await judge_samples(SAMPLES, judge)
    assert refused.value.kind == "bad_credential" and wrong not in str(refused.value) and len(server.keys) == 1


async def test_the_key_is_written_nowhere(
    version: ModelVersion, db: Database, paths: Paths, server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a judgement the key is in no file of ours but the one that keeps it."""
    monkeypatch.setenv("BRIGHTRUN_JUDGE_KEY", KEY)
    async with Judge(judge_settings(paths, url=server.url, model="judge-1"), judge_key(paths, server.url)) as judge:
        await judge_version(db, version, judge)
    assert set(server.keys) == {f"Bearer {KEY}"}
    for path in paths.data.parent.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_a_saved_key_goes_to_its_own_judge_only(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """--url with another host does not carry the configured judge's key there; one in the environment is meant."""
    paths.config.mkdir(parents=True)
    paths.config_file.write_text('[judge]\nurl = "https://judge.example/v1"\nmodel = "m"\n')
    credentials.save("judge", KEY, paths)
    key = judge_key(paths, "https://judge.example/v1")
    assert key is not None and key.get_secret_value() == KEY
    assert judge_key(paths, "https://elsewhere.example/v1") is None
    monkeypatch.setenv("BRIGHTRUN_JUDGE_KEY", "another-key")
    key = judge_key(paths, "https://elsewhere.example/v1")
    assert key is not None and key.get_secret_value() == "another-key"
    with pytest.raises(UsageError, match="unprotected"):
        Judge(judge_settings(paths, url="http://judge.example/v1"), key)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1"),
        ("http://127.0.0.1:8080/v1/chat/completions/", "http://127.0.0.1:8080/v1"),
        ("https://host/api/openai/", "https://host/api/openai"),
        ("http://[::1]:9/v1", "http://[::1]:9/v1"),
        ("api.openai.com/v1", None),
        ("https://me:secret@host/v1", None),
        ("https://host/v1?key=secret", None),
        ("ftp://host", None),
        ("https://host:port", None),
    ],
)
def test_the_address_is_taken_as_people_write_it(paths: Paths, given: str, used: str | None) -> None:
    if used:
        assert judge_settings(paths, url=given, model="m").url == used
        return
    with pytest.raises(UsageError) as refused:
        judge_settings(paths, url=given, model="m")
    assert "secret" not in str(refused.value)


async def test_a_judgement_cut_off_on_its_way_to_the_disk_is_exported_whole(
    version: ModelVersion,
    db: Database,
    paths: Paths,
    server: JudgeServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed after the store knew it and before the files did, or between two of them: the next export mends that."""
    monkeypatch.setattr("brightrun_tui.registry.judging.rewrite_report", lambda version: None)
    async with judge_at(server, paths) as judge:
        judged = await judge_version(db, version, judge)
    assert 'judgement": null' in (Path(judged.directory) / "report.json").read_text()
    (Path(judged.directory) / "README.md").write_text("half of a new ca")
    target = await export(judged, tmp_path / "out")
    assert json.loads((target / "report.json").read_text())["judgement"]["judge"] == "judge-1"


async def test_integrations_say_whether_the_judge_can_be_asked(
    paths: Paths, server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without asking, so without cost: not set up, a wrong key, a model that is not there, or fine."""
    assert (await look_at("judge", paths)).state == "off"
    monkeypatch.setenv("BRIGHTRUN_JUDGE_URL", server.url)
    monkeypatch.setenv("BRIGHTRUN_JUDGE_MODEL", "judge-1")
    assert "wants a key" in (await look_at("judge", paths)).detail
    monkeypatch.setenv("BRIGHTRUN_JUDGE_KEY", KEY)
    status = await look_at("judge", paths)
    assert status.state == "ok" and "judge-1" in status.detail and KEY not in status.model_dump_json()
    monkeypatch.setenv("BRIGHTRUN_JUDGE_MODEL", "judge-2")
    assert "not among" in (await look_at("judge", paths)).detail
    assert not server.bodies


async def test_the_judge_is_asked_once_and_never_spoils_a_run(
    db: Database, paths: Paths, finished: Callable[..., Run], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where it is wished for; what goes wrong becomes a notice on the run with a way out, and the model stays."""
    run = finished()
    await runs.create(db, run.spec, run.directory)
    version = await register(db, paths, run, source)
    with serving_judge(prefer(lambda material: "tie")) as server:
        for name, value in (("URL", server.url), ("MODEL", "judge-1"), ("KEY", KEY)):
            monkeypatch.setenv(f"BRIGHTRUN_JUDGE_{name}", value)
        await judge_if_asked(db, paths, run.id, version)
        assert not server.bodies
        monkeypatch.setenv("BRIGHTRUN_JUDGE_AUTOMATIC", "true")
        server.answer = lambda body: completion("no JSON")
        await judge_if_asked(db, paths, run.id, version)
        notice = (await runs.get(db, run.id)).notices[-1]
        assert notice.code == "not_judged" and "brightrun models judge harbour:1" in notice.message
        server.answer = prefer(lambda material: "tie")
        await judge_if_asked(db, paths, run.id, version)
        judged = await models.get(db, "harbour")
        assert judged.report.judgement and judged.report.judgement.count("tie") == len(version.report.samples)
        asked = len(server.bodies)
        await judge_if_asked(db, paths, run.id, judged)
        assert len(server.bodies) == asked
