"""Ratings, the champion, deleting, comparing, report cards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.evaluation import Evaluation, Judging
from brightrun_tui.domain.model import Advice, ModelVersion, Report, SampleAnswer
from brightrun_tui.domain.requests import followed_alias, lasting_name
from brightrun_tui.domain.run import Run
from brightrun_tui.paths import Paths
from brightrun_tui.registry import (
    archive,
    clean,
    compare,
    compare_many,
    data_differences,
    delete,
    disk_use,
    drop_alias,
    find_spare,
    promote,
    rate,
    register,
    report_html,
    report_markdown,
    review_lines,
    rollback,
    set_alias,
    spare_words,
    tag,
)
from brightrun_tui.serving import cached_at
from brightrun_tui.store import Database, endpoints, models, open_database, runs
from tests.serving.toy import Toy

Finished = Callable[..., Run]


@pytest.fixture
async def three(db: Database, paths: Paths, finished: Finished, source: Path) -> list[ModelVersion]:
    return [await register(db, paths, finished(f"run-{n}"), source) for n in (1, 2, 3)]


async def champion(db: Database) -> str:
    return (await models.find(db, "harbour:champion")).ref


async def test_rollback_goes_to_the_champion_before_and_back_again(db: Database, three: list[ModelVersion]) -> None:
    with pytest.raises(UsageError, match="no previous"):
        await rollback(db, "harbour")
    await models.move_alias(db, "harbour", "champion", 3)
    assert (await rollback(db, "harbour")).ref == "harbour:1" == await champion(db)
    assert (await rollback(db, "harbour")).ref == "harbour:3" == await champion(db)
    with pytest.raises(UsageError):
        await rollback(db, "nobody")


async def test_what_is_used_is_not_deleted_and_what_is_deleted_is_gone(
    db: Database, paths: Paths, three: list[ModelVersion]
) -> None:
    with pytest.raises(UsageError, match="champion"):
        await delete(db, paths, "harbour:1")
    await models.move_alias(db, "harbour", "champion", 2)
    live = await endpoints.save(
        db, Endpoint(id="e1", model="harbour", model_version=3, state="ready", created_at=1, updated_at=1)
    )
    with pytest.raises(UsageError, match="being served"):
        await delete(db, paths, "harbour:3")
    await endpoints.save(db, live, state="stopped")
    for number in (1, 3):
        await delete(db, paths, f"harbour:{number}")
        assert not Path(three[number - 1].directory).exists()
    assert [v.ref for v in await models.list_models(db)] == ["harbour:2"] and Path(three[1].directory).is_dir()
    await delete(db, paths, "harbour:2")
    assert await models.list_models(db) == [] and not list(paths.models.glob("harbour/*"))


async def test_a_version_that_cannot_be_read_hides_no_other_and_can_be_deleted(
    db: Database, paths: Paths, three: list[ModelVersion]
) -> None:
    await models.move_alias(db, "harbour", "champion", 3)
    await db.execute(
        "UPDATE model_versions SET doc = json_set(doc, '$.report.tuned.loss', null) WHERE version IN (1, 3)"
    )
    assert [v.ref for v in await models.list_models(db)] == ["harbour:2"]
    assert sorted(await models.unreadable(db)) == ["harbour:1", "harbour:3"]
    for ref in ("harbour", "harbour:champion", "harbour:1"):
        with pytest.raises(BrightrunError, match=r"harbour:\d cannot be read"):
            await models.find(db, ref)
    with pytest.raises(UsageError, match="champion"):
        await delete(db, paths, "harbour")
    await models.move_alias(db, "harbour", "champion", 2)
    for number in (1, 3):
        await delete(db, paths, f"harbour:{number}")
        assert not Path(three[number - 1].directory).exists()
    assert await models.unreadable(db) == [] and await champion(db) == "harbour:2" and Path(three[1].directory).is_dir()


async def test_a_deleted_versions_number_is_never_given_again(
    db: Database, paths: Paths, three: list[ModelVersion], finished: Finished, source: Path
) -> None:
    await delete(db, paths, "harbour:3")
    await delete(db, paths, "harbour:2")
    assert (await register(db, paths, finished("run-4"), source)).ref == "harbour:4"


async def test_ratings_and_tags_are_checked_and_kept(db: Database, three: list[ModelVersion]) -> None:
    for stars in (0, 6, -1):
        with pytest.raises(UsageError):
            await rate(db, "harbour:1", stars)
    await rate(db, "harbour:1", 4, " good with fog ")
    await tag(db, "harbour:1", add=("prod", "fog", "prod"))
    await tag(db, "harbour:1", add=("v2",), remove=("fog",))
    with pytest.raises(UsageError):
        await tag(db, "harbour:1", add=("two words",))
    await rate(db, "harbour:1", None, "fails in rain", author="ida", keep_stars=True)
    found = await models.find(db, "harbour:1")
    assert (found.rating, found.note, found.tags) == (4, "fails in rain", ("prod", "v2"))
    assert [(said.rating, said.note) for said in found.reviews] == [(4, "good with fog"), (None, "fails in rain")]
    assert found.reviews[1].author == "ida" and found.reviews[0].at <= found.reviews[1].at
    assert (await rate(db, "harbour:1", None)).rating is None


async def test_aliases_and_the_champion_are_moved_by_name(db: Database, three: list[ModelVersion]) -> None:
    assert (await promote(db, "harbour:2")).aliases == ("champion",)
    await set_alias(db, "harbour:3", "staging")
    assert (await models.find(db, "harbour:staging")).ref == "harbour:3"
    for word in ("7", "two words", "previous"):
        with pytest.raises(UsageError):
            await set_alias(db, "harbour:3", word)
    with pytest.raises(UsageError, match="champion"):
        await archive(db, "harbour:2")
    assert (await archive(db, "harbour:3")).archived
    await drop_alias(db, "harbour", "staging")
    with pytest.raises(UsageError):
        await drop_alias(db, "harbour", "staging")


async def test_everything_that_was_said_of_a_version_can_be_read_again(db: Database, three: list[ModelVersion]) -> None:
    for number in range(7):
        said = await rate(db, "harbour:1", 1 + number % 5, f"note {number}", author="Ida")
    shown = review_lines(said, 3)
    assert [what for _, what in shown[:3]] == ["★★  note 6", "★  note 5", "★★★★★  note 4"]
    assert all(who.endswith("Ida") for who, _ in shown[:3]) and shown[3][1].startswith("4 earlier")
    old = said.model_copy(update={"reviews": (), "note": "of an older version"})
    assert review_lines(old) == [("", "of an older version")]
    bare = await rate(db, "harbour:2", None, author="Ida")
    assert [what for _, what in review_lines(bare)] == ["took the stars away"]


@pytest.mark.parametrize(
    ("ref", "name", "alias"),
    [
        ("support", "support", "champion"),
        ("support:champion", "support", "champion"),
        ("support:prod", "support-prod", "prod"),
        ("support:3", "", ""),
    ],
)
def test_an_endpoint_follows_what_it_was_deployed_as(ref: str, name: str, alias: str) -> None:
    assert (lasting_name(ref), followed_alias(ref)) == (name, alias)


def test_a_comparison_says_how_sure_its_numbers_are_in_units_that_people_read(toy: Toy) -> None:
    report = toy.version().report.model_copy(update={"scores": {"loss_interval": {"low": 0.4, "high": 0.6}}})
    a, b = (
        toy.version().model_copy(update={"report": report, "version": number, "bytes": 5 << 20}) for number in (1, 2)
    )
    facts = {row.what: row.a for row in compare(a, b).facts}
    assert facts["… with 95% confidence"] == "0.4000 – 0.6000" and facts["size"] == "5.0 MiB" and facts["time"] == "2 s"


def test_many_versions_are_compared_by_the_rules_for_two(toy: Toy) -> None:
    """The best of a row is better than every other; where two are alike there is none. All their answers stand together."""
    versions = [
        toy.version(
            version=number,
            report=toy.report.model_copy(update={"tuned": toy.report.tuned.model_copy(update={"loss": loss})}),
        )
        for number, loss in ((1, 0.5), (2, 0.2), (3, 0.4))
    ]
    found = compare_many(versions)
    loss = next(row for row in found.facts if row.what == "held-out loss")
    assert (loss.values, loss.best) == (("0.5000", "0.2000", "0.4000"), 1)
    assert next(row for row in found.facts if row.what == "steps").best is None
    assert len(found.answers) == len(toy.report.samples) and len(found.answers[0].answers) == 3
    with pytest.raises(UsageError):
        compare_many(versions[:1])


async def test_a_comparison_says_what_only_one_of_them_learnt(
    db: Database, toy: Toy, paths: Paths, finished: Finished, source: Path, tmp_path: Path
) -> None:
    """A record with another answer is another record; where the data of one is gone, nobody is said to be alone with anything."""
    versions = []
    for number, answer in enumerate(("Ten.", "Ten.", "Nine."), 1):
        directory = tmp_path / f"run-{number}"
        data = directory / "data"
        data.mkdir(parents=True)
        records = [
            {"id": str(number), "messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}
            for q, a in (("When?", answer), ("Where?", "Here."))
        ]
        (data / "train.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
        await runs.create(db, finished(f"run-{number}").spec, str(directory))
        versions.append(await register(db, paths, finished(f"run-{number}"), source))
    learnt = await data_differences(db, versions)
    assert [(each.records, each.alone, each.examples) for each in learnt] == [
        (2, 0, ()),
        (2, 0, ()),
        (2, 1, ("When?",)),
    ]
    (tmp_path / "run-1" / "data" / "train.jsonl").unlink()
    first, second, third = await data_differences(db, versions)
    assert (first.records, first.alone, second.alone, third.alone) == (None, None, None, None)
    assert "no longer here" in first.words and third.records == 2
    assert compare_many(versions, (), learnt).data == learnt


def test_the_html_card_loads_nothing_and_shows_text_as_text(toy: Toy) -> None:
    hostile = SampleAnswer(prompt=({"role": "user", "content": "<script>alert(1)</script>"},), tuned="a & b")
    page = report_html(
        "harbour:1", toy.report.model_copy(update={"samples": (hostile,)}), {"train_loss": [(1, 2.0), (2, 1.0)]}
    )
    assert "<script" not in page and "&lt;script&gt;" in page and "a &amp; b" in page
    assert "http" not in page.replace("http-equiv", "") and page.count("<svg") == 2


def test_the_html_card_is_read_on_a_phone_and_printed(toy: Toy) -> None:
    """A digest is wrapped rather than wider than the page; a command is wrapped between its options, and copied whole."""
    advice = (Advice(why="more", command="brightrun train d --set training.epochs=6 --name a-b"),)
    verdict = toy.report.verdict.model_copy(update={"advice": advice})
    page = report_html("harbour:1", toy.report.model_copy(update={"verdict": verdict}))
    assert "td:last-child,p,li,h1{overflow-wrap:anywhere}" in page and "h2,.asked{break-after:avoid}" in page
    parts = "<span>brightrun train d</span> <span>--set training.epochs=6</span> <span>--name a-b</span>"
    assert f"<code>{parts}</code>" in page


def test_a_comparison_says_which_is_better_only_where_that_is_known(toy: Toy) -> None:
    report = toy.report
    settings = report.lineage.settings | {"training": report.lineage.settings["training"] | {"epochs": 9.0}}
    lower = report.model_copy(
        update={
            "tuned": report.tuned.model_copy(update={"loss": 0.25}),
            "lineage": report.lineage.model_copy(update={"settings": settings}),
        }
    )
    a, b = toy.version(), toy.version(version=2, report=lower, rating=3)
    result = compare(a, b)
    rows = {row.what: row for row in result.facts}
    assert (rows["held-out loss"].a, rows["held-out loss"].b, rows["held-out loss"].better) == ("0.5000", "0.2500", "b")
    assert rows["loss below base"].better == "b" and rows["rating"].better == "" and rows["verdict"].better == ""
    assert [(row.what, row.a, row.b) for row in result.settings] == [("training.epochs", "2.0", "9.0")]
    assert compare(b, a).facts[0].better == "a" and result.comparable
    other = lower.model_copy(update={"lineage": lower.lineage.model_copy(update={"dataset_fingerprint": "else"})})
    result = compare(a, toy.version(report=other))
    assert not result.comparable and "different data" in result.caution and result.facts[0].better == ""


async def test_what_is_said_about_a_version_at_the_same_time_is_all_kept(
    db: Database, paths: Paths, three: list[ModelVersion]
) -> None:
    async with open_database(paths.database) as other:
        await asyncio.gather(
            rate(db, "harbour:1", 4, "foggy"),
            *(
                tag(by, "harbour:1", add=(word,))
                for by, word in ((db, "prod"), (other, "fog"), (db, "v2"), (other, "tide"))
            ),
        )
    found = await models.find(db, "harbour:1")
    assert (found.rating, found.note, set(found.tags)) == (4, "foggy", {"prod", "fog", "v2", "tide"})


UNLIKE: dict[str, Callable[[Report], Report]] = {
    "different data": lambda r: with_lineage(r, dataset_fingerprint="else"),
    "different held-out records": lambda r: with_setting(r, "data", "eval_max_records", 9),
    "another data.max_length": lambda r: with_setting(r, "data", "max_length", 64),
    "another data.over_length": lambda r: with_setting(r, "data", "over_length", "split"),
    "different base models": lambda r: with_lineage(r, base_fingerprint="else"),
    # Read with other columns: another answer is learned, or the same one from another prompt.
    "different text": lambda r: r.model_copy(update={"base": r.base.model_copy(update={"tokens": 61})}),
    "though it comes from the same file": lambda r: r.model_copy(
        update={
            "samples": tuple(s.model_copy(update={"prompt": ({"role": "user", "content": "Else"},)}) for s in r.samples)
        }
    ),
}


def with_lineage(report: Report, **changes: object) -> Report:
    return report.model_copy(update={"lineage": report.lineage.model_copy(update=changes)})


def with_setting(report: Report, group: str, name: str, value: object) -> Report:
    settings = report.lineage.settings
    return with_lineage(report, settings=settings | {group: settings[group] | {name: value}})


def scored(toy: Toy) -> Report:
    return toy.report.model_copy(
        update={"scores": {"chrf": {"base": 9.0, "tuned": 50.0}, "cut_off": {"base": 0, "tuned": 0, "limit": 64}}}
    )


def better(report: Report) -> Report:
    """The same by every measure, only better."""
    scores = report.scores | {"chrf": {"base": 9.0, "tuned": 80.0}}
    return report.model_copy(
        update={"tuned": report.tuned.model_copy(update={"loss": 0.25, "perplexity": 1.28}), "scores": scores}
    )


@pytest.mark.parametrize("why", UNLIKE)
def test_no_loss_counts_as_better_where_it_was_measured_otherwise(toy: Toy, why: str) -> None:
    a = scored(toy)
    result = compare(toy.version(report=a), toy.version(version=2, report=UNLIKE[why](better(a))))
    assert not result.comparable and why in result.caution
    measured = [
        row
        for row in result.facts
        if row.what.startswith(("held-out loss", "held-out perpl", "loss below", "likeness"))
    ]
    assert len(measured) == 4 and not [row for row in measured if row.better]


def test_answers_to_other_prompts_or_of_another_length_are_not_compared_but_losses_are(toy: Toy) -> None:
    a = scored(toy)
    fewer = with_setting(better(a), "evaluation", "sample_prompts", 2).model_copy(update={"samples": a.samples[:2]})
    shorter = better(a).model_copy(
        update={"scores": better(a).scores | {"cut_off": {"base": 0, "tuned": 3, "limit": 8}}}
    )
    for b, why in ((fewer, "different prompts"), (shorter, "different lengths"), (better(a), "")):
        result = compare(toy.version(report=a), toy.version(version=2, report=b))
        rows = {row.what: row.better for row in result.facts}
        assert result.comparable and why in result.caution and bool(why) == bool(result.caution)
        assert (rows["held-out loss"], rows["loss below base"]) == ("b", "b")
        assert rows["likeness (chrF, to 100)"] == ("" if why else "b")


def test_the_report_card_shows_answers_as_they_are(toy: Toy) -> None:
    sly = SampleAnswer(
        prompt=({"role": "user", "content": "# Not a heading"},), base="```\n# escape\n```", tuned="a | b"
    )
    text = report_markdown(toy.report.model_copy(update={"samples": (sly,), "name": "a|b*c"}))
    assert "````text\n```\n# escape\n```\n````" in text and "# a\\|b\\*c" in text
    assert "```text\nuser: # Not a heading\n```" in text
    for fact in ("perplexity | 20.100 | 1.650", "training.learning\\_rate", "harbour.jsonl", "$0.00"):
        assert fact in text, fact


async def test_copies_that_no_endpoint_serves_can_go_and_those_in_use_stay(
    db: Database, paths: Paths, three: list[ModelVersion]
) -> None:
    """A copy for llama.cpp is as large as the base model; one is made for every version that ever answered."""
    copies = [cached_at(Path(version.directory)) for version in three]
    for copy in copies:
        copy.mkdir()
        (copy / "model.gguf").write_bytes(b"0" * 4096)
    for number, more in ((1, {}), (9, {"wanted_version": 2})):
        await endpoints.save(
            db,
            Endpoint(
                id=f"e{number}",
                model="harbour",
                model_version=number,
                state="ready",
                created_at=1,
                updated_at=1,
                **more,
            ),
        )
    spare = await find_spare(db)
    assert [(each.served_copy, each.name, each.bytes) for each in spare] == [(True, "harbour:3", 4096)]
    assert spare_words(spare) == "the copies that llama.cpp served of 1 version, 4.0 KiB"
    before = await disk_use(paths)
    assert before.served_copies == 3 * 4096
    assert await clean(spare) == 4096 and [copy.exists() for copy in copies] == [True, True, False]
    after = await disk_use(paths)
    assert (after.served_copies, after.models) == (2 * 4096, before.models)
    assert all(Path(version.directory).is_dir() for version in three)


def test_answers_of_versions_that_were_measured_on_the_same_data_later_stand_side_by_side(toy: Toy) -> None:
    """Their report cards have other questions, because they learnt from other data."""
    asked = [SampleAnswer(prompt=({"role": "user", "content": each},), tuned=each) for each in ("a?", "b?")]
    versions = [
        toy.version(version=number, report=toy.report.model_copy(update={"samples": (sample,)}))
        for number, sample in enumerate(asked, 1)
    ]
    assert compare_many(versions).answers == ()
    measured = [
        Evaluation(
            run_id=f"e{number}",
            name="harbour",
            model_version=number,
            created_at=float(number),
            dataset_name="new",
            dataset_fingerprint="f",
            records_key="k",
            base_id="toy",
            base=toy.report.base,
            tuned=toy.report.tuned,
            samples=(SampleAnswer(prompt=({"role": "user", "content": "c?"},), reference="c", tuned=f"c{number}"),),
            judging=Judging(records=1),
        )
        for number in (1, 2)
    ]
    (found,) = compare_many(versions, measured).answers
    assert (found.wanted, found.answers) == ("c", ("c1", "c2"))
