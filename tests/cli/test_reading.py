"""What a person or a script reads from a home that holds runs and models."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sqlite3
import subprocess
import termios
import time
from pathlib import Path

import pytest

from brightrun_tui import cli
from brightrun_tui.commands.shared import session
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.events import Alert, Event
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.orchestrator.machine_notes import note_machine
from brightrun_tui.store import endpoints, open_database, runs
from tests.cli.conftest import CommandLine
from tests.cli.seed import LOSSES, seed


@pytest.fixture
def seeded(brightrun: CommandLine) -> CommandLine:
    seed(brightrun.home)
    return brightrun


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs",),
        ("runs", "show", "last"),
        ("runs", "metrics", "faq"),
        ("runs", "logs", "faq"),
        ("models",),
        ("models", "show", "tone"),
        ("models", "compare", "tone:1", "tone:2"),
        ("models", "rate", "tone", "4"),
        ("models", "answers", "tone"),
        ("endpoints",),
        ("engine", "status"),
        ("engine",),
        ("reconcile",),
        ("costs",),
        ("locate",),
        ("locate", "data"),
        ("integrations",),
        ("offers",),
        ("datasets", "list"),
        ("datasets",),
        ("bases",),
    ],
)
def test_json_is_exactly_one_document_on_stdout(seeded: CommandLine, arguments: tuple[str, ...]) -> None:
    """A script can feed stdout to a JSON parser, whatever the verb."""
    done = seeded(*arguments, "--json")
    assert done.code == 0, done.err
    assert isinstance(done.document, dict)
    assert done.out.count("\n") == 1


def test_runs_are_found_by_id_beginning_name_or_last(seeded: CommandLine) -> None:
    """Nobody types twelve characters: what is unambiguous is enough."""
    for word, expected in (("aaaa1111", "aaaa1111"), ("aab", "aabb2222"), ("tone", "aabb2222"), ("last", "cccc3333")):
        assert seeded("runs", "show", word, "--json").document["run"]["id"] == expected
    assert seeded("runs", "show", "aa", "--json").error["kind"] == "ambiguous_run"


def test_curves_are_drawn_in_any_terminal(seeded: CommandLine) -> None:
    """A picture for each kind of curve, in plain characters: it can be piped, and steers no terminal."""
    drawn = seeded("runs", "metrics", "faq", "--plot").out
    assert "train_loss" in drawn and "step" in drawn
    assert "\x1b" not in drawn


def test_metrics_come_as_csv_that_a_spreadsheet_reads(seeded: CommandLine) -> None:
    """One row a step, one column a curve, an empty cell where there is no number."""
    lines = seeded("runs", "metrics", "faq", "--csv").out.splitlines()
    assert lines == ["step,eval_loss,train_loss", "1,,3.2", "2,,2.5", "3,,", "4,1.9,1.75"]


def test_tables_are_tab_separated_in_a_pipe(seeded: CommandLine) -> None:
    """`brightrun runs | cut -f1` works: nothing is cut short or drawn around."""
    rows = [line.split("\t") for line in seeded("runs").out.splitlines()]
    assert [row[0] for row in rows] == ["run", "cccc3333", "aabb2222", "aaaa1111"]
    assert {len(row) for row in rows} == {8}


def test_the_report_card_tells_before_and_after(seeded: CommandLine) -> None:
    """Verdict, losses, both answers and the origin are on it; text of the data is not taken for markup."""
    card = seeded("models", "show", "tone:2").out
    for part in (
        "tone:2",
        "GOOD",
        "It learned the tone.",
        "loss fell by half",
        "3.000",
        "1.500",
        "-50%",
        "word word",
        "It is on its way.",
        "Where is my [bold] order?",
        "refunds",
        "aabb2222",
    ):
        assert part in card


def test_a_card_from_elsewhere_is_marked_in_the_list_and_so_is_what_it_lacks(seeded: CommandLine) -> None:
    """Nobody here has measured what it says of itself."""
    here = {each["ref"]: each for each in seeded("models", "--json").document["models"]}
    assert {each["origin"] for each in here.values()} == {"own"}
    with sqlite3.connect(seeded.home / "data" / "brightrun.db") as db:
        ((doc,),) = db.execute("SELECT doc FROM model_versions WHERE name = 'tone' AND version = 1")
        came = json.loads(doc) | {"run_id": "import-1", "tags": ["imported"], "base_path": ""}
        db.execute("UPDATE model_versions SET doc = ? WHERE name = 'tone' AND version = 1", (json.dumps(came),))
    listed = seeded("models")
    (row,) = [line for line in listed.out.splitlines() if line.startswith("tone:1\t")]
    assert row.endswith("imported, unverified") and "tone:1: its base model" in listed.err
    told = "nothing of it was measured here"
    page = seeded.home / "card.html"
    assert seeded("models", "card", "tone:1", "--html", page).code == 0 and told in page.read_text()
    assert told in seeded("models", "show", "tone:1", "--markdown").out
    assert told not in seeded("models", "show", "tone:2", "--markdown").out
    boards = seeded("models", "leaderboard", "--json").document["boards"]
    marked = {each["ref"]: each["elsewhere"] for board in boards for each in board["standings"]}
    assert marked == {"tone:1": True, "tone:2": False}


def test_an_endpoint_that_failed_is_forgotten_by_undeploy(seeded: CommandLine) -> None:
    """Until then it marks its model; no engine is needed for it."""

    async def fail() -> None:
        async with open_database(seeded.home / "data" / "brightrun.db") as db:
            directory = str(seeded.home / "data" / "endpoints" / "shop")
            failed = Endpoint(
                id="shop",
                model="tone",
                model_version=2,
                state="failed",
                error="no memory",
                directory=directory,
                created_at=1.0,
                updated_at=1.0,
            )
            await endpoints.save(db, failed)

    asyncio.run(fail())
    marked = seeded("models").err
    assert "tone:2: its endpoint failed" in marked and "no memory" in marked and "brightrun undeploy shop" in marked
    assert seeded("undeploy", "shop", "--json").document["endpoint"]["state"] == "stopped"
    assert "its endpoint failed" not in seeded("models").err


def test_opinions_and_champions_are_kept(seeded: CommandLine) -> None:
    """Stars, tags and the champion stay with their version; rolling back goes to the champion before."""
    assert seeded("models", "rate", "tone:1", "3", "--note", "a bit stiff").code == 0
    assert seeded("models", "tag", "tone:1", "support", "draft").code == 0
    assert seeded("models", "tag", "tone:1", "--remove", "draft").code == 0
    assert seeded("models", "rollback", "tone:2").code == 0
    assert seeded("models", "rollback", "tone").code == 0
    model = seeded("models", "show", "tone:champion", "--json").document["model"]
    assert (model["version"], model["rating"], model["note"], model["tags"]) == (1, 3, "a bit stiff", ["support"])
    assert seeded("models", "rate", "tone", "6", "--json").code == 2
    assert seeded("models", "delete", "tone:1", "--json").error["kind"] == "aliased"


def press(seeded: CommandLine, keys: str, *arguments: str) -> str:
    """The screen of a command at a terminal of its own where these keys are pressed, each at the next question."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        seeded.command(*arguments),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=seeded.environment(TERM="dumb"),
    )
    os.close(follower)
    screen, asked = b"", 0
    while True:
        try:
            screen += os.read(leader, 65536)
        except OSError:  # the command has ended
            break
        if screen.count(b"Is it right?") > asked and asked < len(keys):
            while termios.tcgetattr(leader)[3] & termios.ICANON:  # what is pressed before it waits for a key is dropped
                time.sleep(0.01)
            os.write(leader, keys[asked].encode())
            asked += 1
    process.wait(60)
    os.close(leader)
    return screen.decode()


def test_answers_are_ticked_by_single_keys_and_count(seeded: CommandLine) -> None:
    """What people say is asked for one by one, is kept with the version, in its file, on its card, and can be taken back."""
    screen = press(seeded, "n", "models", "answers", "tone:2")
    assert "It is on its way." in screen and "It left yesterday." in screen and "found none right" in screen
    told = seeded("models", "answers", "tone:2", "--json").document
    assert [(each["number"], each["answer"], each["ticked"]) for each in told["answers"]] == [
        (1, "It is on its way.", False)
    ]
    assert "people read 1 answer and found none right" in " ".join(told["verdict"]["reasons"])
    kept = json.loads((seeded.home / "data" / "models" / "tone" / "2" / "report.json").read_text())
    assert kept["ticks"][0]["right"] is False
    assert "0 of 1" in seeded("models", "compare", "tone:1", "tone:2").out
    assert "q" in press(seeded, "q", "models", "answers", "tone:2")
    assert seeded("models", "answers", "tone:2", "--tick", "1=y", "--json").document["answers"][0]["ticked"] is True
    assert "wrong" not in seeded("models", "show", "tone:2").out
    assert seeded("models", "answers", "tone:2", "--tick", "1=s", "--json").document["ticks"] == []
    for bad, kind in (("2=y", "unknown_answer"), ("y", "bad_tick"), ("0=n", "unknown_answer")):
        assert seeded("models", "answers", "tone:2", "--tick", bad, "--json").error["kind"] == kind
    assert "no terminal" in seeded("models", "answers", "tone:2").err


def test_a_number_means_a_machine_by_its_number(seeded: CommandLine) -> None:
    """`--machine 4` is the fourth, not the one with an RTX 4090 in its name; a word is a part of one name."""
    files = RunDirectory(seeded.home / "data" / "runs" / "cccc3333")
    files.log.write_bytes(b"here\n")
    note_machine(files, "RunPod RTX 4090")
    with files.log.open("ab") as log:
        log.write(b"there\n")
    assert "there" in seeded("runs", "logs", "faq", "--machine", "2").out
    assert "there" in seeded("runs", "logs", "faq", "--machine", "rtx").out
    for unknown in ("4", "0", "4090"):
        refused = seeded("runs", "logs", "faq", "--machine", unknown)
        assert refused.code == 2 and "no machine of this run" in refused.err and "2: RunPod RTX 4090" in refused.err


def test_logs_show_the_last_lines(seeded: CommandLine) -> None:
    """`-n` is what `tail -n` is."""
    assert seeded("runs", "logs", "faq", "-n", "2").out.splitlines() == ["line 3", "line 4"]


def follow(seeded: CommandLine, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        seeded.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=seeded.environment()
    )


async def finish(home: Path) -> None:
    async with open_database(home / "data" / "brightrun.db") as db:
        await runs.transition(db, "cccc3333", "stopping")
        await runs.transition(db, "cccc3333", "stopped")


def test_following_logs_ends_with_the_run(seeded: CommandLine) -> None:
    """`runs logs -f` prints what comes, whole lines only, and returns when the run has ended."""
    log = seeded.home / "data" / "runs" / "cccc3333" / "worker.log"
    process = follow(seeded, "runs", "logs", "-f", "faq")
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(5)][-1] == "line 4\n"
    with log.open("a") as file:
        file.write("line 5\nhalf a li")
    assert process.stdout.readline() == "line 5\n"
    asyncio.run(finish(seeded.home))
    assert process.communicate(timeout=30)[0] == ""
    assert process.returncode == 0


def test_following_the_engines_log_goes_on_in_the_next_file(seeded: CommandLine) -> None:
    """The engine closes a log of some megabytes and begins another one; whoever follows it misses nothing of that."""
    log = seeded.home / "logs" / "engine.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("line 1\nline 2\n")
    process = follow(seeded, "engine", "logs", "-f")
    assert process.stdout is not None
    try:
        assert [process.stdout.readline() for _ in range(2)] == ["line 1\n", "line 2\n"]
        log.rename(log.with_name("engine.log.1"))
        log.write_text("line 3\n")
        assert process.stdout.readline() == "line 3\n"
    finally:
        process.kill()
        process.communicate()


def test_followed_events_are_json_lines_without_gaps(seeded: CommandLine) -> None:
    """A program that follows a run gets every event once, in order."""
    events = seeded.home / "data" / "runs" / "cccc3333" / "events.jsonl"
    process = follow(seeded, "runs", "logs", "-f", "faq", "--json")
    assert process.stdout is not None
    first = [process.stdout.readline() for _ in range(len(LOSSES) + 2)]
    with events.open("ab") as file:
        file.write(Event(6, 9.0, Alert(message="hot")).to_line())
    lines = [*first, process.stdout.readline()]
    asyncio.run(finish(seeded.home))
    rest, _ = process.communicate(timeout=30)
    assert [json.loads(line)["seq"] for line in [*lines, *rest.splitlines()]] == list(range(7))


def test_a_closed_pipe_is_no_error(seeded: CommandLine) -> None:
    """`brightrun runs logs … | head -1` ends quietly."""
    log = seeded.home / "data" / "runs" / "cccc3333" / "worker.log"
    log.write_text("x" * 99 + "\n" * 1 + ("y" * 99 + "\n") * 20_000)
    process = follow(seeded, "runs", "logs", "faq")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(60)


def test_locate_names_what_it_names(brightrun: CommandLine) -> None:
    """`cd $(brightrun locate presets)` works: one path, and the shipped things are there."""
    assert Path(brightrun("locate", "presets").out.strip(), "templates").is_dir()
    assert Path(brightrun("locate", "themes").out.strip()).is_dir()
    assert brightrun("locate", "data").out == f"{brightrun.home}/data\n"


def test_a_model_that_cannot_be_read_is_named_beside_the_others_and_can_be_removed(seeded: CommandLine) -> None:
    """One damaged version takes nothing else away, and its removal is one command."""
    with sqlite3.connect(seeded.home / "data" / "brightrun.db") as db:
        db.execute("UPDATE model_versions SET doc = '{}' WHERE version = 2")
    done = seeded("models", "--json")
    assert [model["ref"] for model in done.document["models"]] == ["tone:1"] and done.document["unreadable"] == [
        "tone:2"
    ]
    assert done.code == 0 and "brightrun models delete tone:2" in done.err
    assert seeded("models", "show", "tone:2", "--json").error["kind"] == "unreadable_model"
    assert seeded("models", "delete", "tone:2", "--yes", "--json").document == {"deleted": "tone:2"}
    assert seeded("models", "--json").document["unreadable"] == []


def test_a_damaged_run_is_shown_beside_the_others_and_deleted_by_the_engine(seeded: CommandLine) -> None:
    """Even one that trains: its worker ends first. Money and machines can be asked for all the while."""
    directory = seeded.home / "data" / "runs" / "cccc3333"
    worker = subprocess.Popen(["sleep", "100"], start_new_session=True, cwd=directory)
    (directory / "worker.pid").write_text(str(worker.pid))
    with sqlite3.connect(seeded.home / "data" / "brightrun.db") as db:
        db.execute("UPDATE runs SET doc = '{}' WHERE id = 'cccc3333'")
    done = seeded("runs", "--json")
    assert len(done.document["runs"]) == 2 and [run["id"] for run in done.document["damaged"]] == ["cccc3333"]
    assert "damaged" in seeded("runs").out
    for words in (("runs", "show", "faq"), ("runs", "stop", "faq", "--yes"), ("runs", "logs", "faq")):
        assert seeded(*words, "--json").error["fix"] == "brightrun runs delete cccc3333"
    assert seeded("costs", "--json").code == 0 and seeded("reconcile", "--json").code == 0
    assert seeded("runs", "delete", "faq", "--yes", "--json").document["deleted"] == "cccc3333"
    assert seeded("runs", "--json").document["damaged"] == [] and not directory.exists()
    assert worker.wait(60) == -9


def test_an_error_nobody_foresaw_is_one_line_and_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never a traceback on the screen: one message, and the details in a file that it names."""

    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of a sort that nobody handles")

    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    monkeypatch.setattr(session, "open_database", fails)
    code = cli.run(["runs", "--json"])
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert (code, error["kind"]) == (1, "internal_error")
    assert "Traceback" in Path(error["where"]).read_text()
    assert len(said.err.splitlines()) <= 3 and "Traceback" not in said.err


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[engine\n", "config.toml"),
        ("[defaults]\nbase = 3\n", "base"),
        ("[defaults]\nbse = 'starter'\n", "bse"),
        ("defaults = 3\n", "config.toml"),
        ("[mony]\nmonthly_limit_usd = 5\n", "[mony]"),
        ("monthly_limit_usd = 5\n", "monthly_limit_usd"),
    ],
)
def test_a_bad_configuration_is_named_by_key(brightrun: CommandLine, text: str, where: str) -> None:
    """A slip in config.toml is told with its place, not ignored."""
    (brightrun.home / "config").mkdir(parents=True)
    (brightrun.home / "config" / "config.toml").write_text(text)
    done = brightrun("estimate", "x.jsonl", "--json")
    assert (done.code, done.error["kind"]) == (2, "bad_config")
    assert where in done.error["where"] + done.error["what"]


def test_environment_beats_file_beats_default(brightrun: CommandLine, tmp_path: Path) -> None:
    """What is set nearest to the call counts."""
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"q{n}", "completion": f"a{n}"}) + "\n" for n in range(40)))
    assert brightrun("estimate", data, "--json").code == 0
    (brightrun.home / "config").mkdir(parents=True)
    (brightrun.home / "config" / "config.toml").write_text("[defaults]\ntemplate = 'from-the-file'\n")
    assert "from-the-file" in brightrun("estimate", data, "--json").error["what"]
    named = {"BRIGHTRUN_DEFAULTS_TEMPLATE": "from-the-environment"}
    assert "from-the-environment" in brightrun("estimate", data, "--json", **named).error["what"]
    assert (
        "from-the-call" in brightrun("estimate", data, "--template", "from-the-call", "--json", **named).error["what"]
    )


def test_an_estimate_says_what_the_plan_warns_of(brightrun: CommandLine, tmp_path: Path) -> None:
    """For people a line each, below the figures; in the document they are among the checks."""
    data = tmp_path / "deutsch.jsonl"
    answer = "Die Lieferung dauert üblicherweise drei bis sechs Werktage, wir melden uns vorher."
    data.write_text("".join(json.dumps({"prompt": f"Frage {n}", "completion": answer}) + "\n" for n in range(60)))
    done = brightrun("estimate", data)
    assert done.code == 0 and "! language" in done.out and "Qwen/Qwen2.5-0.5B-Instruct" in done.out
    warned = [
        check["name"]
        for check in brightrun("estimate", data, "--json").document["checks"]
        if check["state"] == "warning"
    ]
    assert "language" in warned
