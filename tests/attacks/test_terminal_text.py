"""Text of strangers is read, never obeyed: not by a terminal, not by whoever reads a pipe, not as markup."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from brightrun_tui.domain.model import SampleAnswer
from brightrun_tui.domain.run import Failure, Notice
from brightrun_tui.domain.text import one_line, plain_json, sanitize
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.store import datasets, endpoints, models, open_database, runs
from tests.tui import seed

PACKAGE = Path(__file__).parents[2] / "brightrun_tui"

STEERING = "\x1b]0;PWNED\x07\x1b]52;c;QUJD\x07\x1b[2J\x1b[5m\x1bP1$r\x1b\\\x9b31m\x9d0;x\x9c\r\b\x7f\x00"
TURNING = "\u202egnp.exe\u2066\u2069\u2028\u2029\u0085\u200b\u2060\ufeff\U000e0041"
MARKUP = "[/INST] [red] [/] [bold [link=http://x]y[/link] :skull:"
READABLE = (
    "👩\u200d💻 ❤️\u200d🔥 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f می\u200cخواهم שלום é 日本"
)
NASTY = f"{STEERING}{TURNING}\tone\ntwo {MARKUP} {READABLE} \ud800"

OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b\u2060-\u2064\ufeff\ud800-\udfff]"
    "|(?<!\U0001f3f4)(?<![\U000e0000-\U000e007f])[\U000e0000-\U000e007f]"
)
"""What must not come out anywhere."""

PLAIN_VERBS = [
    ["runs"],
    ["runs", "show", "r-1"],
    ["runs", "logs", "r-1"],
    ["runs", "metrics", "r-1"],
    ["runs", "metrics", "r-1", "--csv"],
    ["models"],
    ["models", "show", "tone"],
    ["models", "show", "tone", "--markdown"],
    ["models", "compare", "tone:1", "tone:2"],
    ["models", "tag", "tone:1", NASTY.replace("\ud800", "").replace("\0", "")],
    ["endpoints", "--all"],
    ["datasets"],
    ["datasets", "show", "nasty"],
    ["datasets", "check", "DATA"],
    ["runs", "show", "[/INST] \x1b[2J \u202e"],
    ["models", "export", "tone", "\x1b[2J[/INST]/\u202ex"],
    ["estimate", "DATA"],
    ["engine", "logs"],
    ["integrations"],
]
JSON_VERBS = [
    [*words, "--json"]
    for words in PLAIN_VERBS
    if "--markdown" not in words and "--csv" not in words and words[0] != "engine"
]

SCRIPT = """
import json, os, sys
from brightrun_tui import cli
from brightrun_tui.commands.shared import follow
from brightrun_tui.commands.train import _finish
from brightrun_tui.commands.shared.session import with_store
from brightrun_tui.store import runs
import typer

verbs = json.loads(os.environ["VERBS"])
for words in verbs:
    print("▸", file=sys.stderr, flush=True)
    code = cli.run(words)
    assert code in (0, 1, 2), (words, code)
run = with_store(lambda session: runs.get(session.db, "r-1"))
for display in (follow.LineDisplay(), follow.LiveDisplay()):
    with display as shown:
        shown.show(run.model_copy(update={"state": "running"}))
        shown.say(run.notices[-1].message)
        shown.show(run)
try:
    _finish(run, False)
except typer.Exit:
    print("ended in order")
"""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """An installation in which every text of a stranger is hostile."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    paths = get_paths()
    asyncio.run(_fill(paths))
    return paths


async def _fill(paths: Paths) -> None:
    text = NASTY.replace("\ud800", "")
    async with open_database(paths.database) as db:
        failure = Failure(error="internal", cause=text, fix=text, suggestion={"training.epochs": 2})
        run = await seed.add_run(
            db, paths, text, "r-1", "failed", steps=3, phase="training", phase_detail=text, failure=failure
        )
        await runs.update(db, "r-1", notices=(Notice(time=1.0, level="warning", code="x", message=text),))
        directory = Path(run.directory)
        (directory / "worker.log").write_bytes(NASTY.encode("utf-8", "surrogatepass") + b"\n\xff\xfe\x9b2J\n")
        (directory / "events.jsonl").write_bytes(json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n")
        for version in (1, 2):
            made = await seed.add_model(db, paths, "tone", f"x-{version}", note=text, tags=("[/INST]", text), rating=2)
            sample = SampleAnswer(prompt=({"role": "user", "content": text},), base=text, tuned=text, reference=text)
            verdict = made.report.verdict.model_copy(update={"summary": text, "reasons": (text,)})
            lineage = made.report.lineage.model_copy(
                update={"dataset_name": text, "base_id": text, "settings": {"lora": {text: version}}}
            )
            report = made.report.model_copy(
                update={
                    "samples": (sample,),
                    "verdict": verdict,
                    "lineage": lineage,
                    "by_category": {text: {text: {"base": 1.0, "tuned": 0.5}}},
                }
            )
            await models.complete(db, made.model_copy(update={"report": report}))
        endpoint = await seed.add_endpoint(db, paths, made, state="failed")
        await endpoints.save(db, endpoint, error=text)
        data = seed.dataset_report("nasty", f"/data/{text}.jsonl")
        problem = (
            data.problems[0].model_copy(update={"what": text, "fix": text, "places": (text,)})
            if data.problems
            else None
        )
        message = data.preview[0].messages[0].model_copy(update={"content": text})
        await datasets.add(
            db,
            data.model_copy(
                update={
                    "categories": {text: {text: 3}},
                    "problems": (problem,) if problem else (),
                    "preview": (data.preview[0].model_copy(update={"messages": (message,)}),),
                }
            ),
        )
    paths.logs.mkdir(parents=True)
    paths.engine_log.write_bytes(NASTY.encode("utf-8", "surrogatepass") + b"\n")
    record = {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": text}], "category": text}
    (paths.data.parent / "esc2.jsonl").write_text("".join(f"{json.dumps(record)}\n" for _ in range(20)))


def _verbs(verbs: list[list[str]], paths: Paths) -> dict[str, str]:
    given = [[str(paths.data.parent / "esc2.jsonl") if word == "DATA" else word for word in words] for words in verbs]
    return os.environ | {"VERBS": json.dumps(given), "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}


def _in_a_terminal(environment: dict[str, str], cwd: Path) -> str:
    """What the script writes to a terminal, stdout and stderr as they come."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=there,
        stdout=there,
        stderr=there,
        env=environment,
        cwd=cwd,
        start_new_session=True,
    )
    os.close(there)
    seen = b""
    try:
        while piece := os.read(here, 65536):
            seen += piece
    except OSError:  # Linux says EIO where the other side is closed
        pass
    os.close(here)
    assert process.wait(30) == 0, seen[-3000:]
    return seen.decode()


OURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[[0-9]*A|\x1b\[2K|\r\n|\r(?=\x1b)")
"""Styles and the redrawn bar. What was planted is another colour, and a clearing of the whole screen."""


def test_no_verb_lets_text_steer_a_terminal(paths: Paths, tmp_path: Path) -> None:
    """Titles, clipboard, colours, cleared screens and reversed words of a dataset or machine stay words, on a terminal too."""
    seen = _in_a_terminal(_verbs(PLAIN_VERBS + JSON_VERBS, paths), tmp_path)
    assert seen.count("▸") == len(PLAIN_VERBS + JSON_VERBS)
    assert "ended in order" in seen and "Traceback" not in seen and "nobody foresaw" not in seen
    assert "\x1b[5m" not in seen and "\x1b[31m\x1b" not in seen
    left = OURS.sub("", seen).replace("\n", "")
    found = OBEYED.search(left)
    assert not found, ascii(left[max(0, found.start() - 200) : found.end() + 50])
    assert "PWNED" in left and "[/INST] [red] [/] [bold" in left and ":skull:" in left, "it is shown, not swallowed"
    for word in READABLE.split():
        assert word in left


def test_no_verb_lets_text_steer_whoever_reads_a_pipe(paths: Paths, tmp_path: Path) -> None:
    """Tables keep a line a row and a tab a column; JSON says exactly what was stored."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        env=_verbs(PLAIN_VERBS + JSON_VERBS, paths),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for seen in (done.stdout, done.stderr):
        assert "Traceback" not in seen and "nobody foresaw" not in seen
        found = OBEYED.search(seen)
        assert not found, ascii(seen[max(0, found.start() - 200) : found.end() + 50])
    rows = [line for line in done.stdout.splitlines() if line.startswith("r-1\t")]
    assert [row.count("\t") for row in rows] == [7]
    documents = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"')]
    shown = next(document["run"] for document in documents if "run" in document)
    assert shown["name"] == NASTY.replace("\ud800", "")


def test_a_failure_with_brackets_is_told_as_it_is(paths: Paths, tmp_path: Path) -> None:
    """“[/INST]” in the reason a run failed ended in “an error nobody foresaw”, and the reason was lost."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=_verbs([], paths), cwd=tmp_path
    )
    told = done.stderr[done.stderr.index("✗") :]
    assert told.count(MARKUP) == 2, "the cause and the fix"
    assert done.stdout.endswith("ended in order\n")


@pytest.mark.parametrize("text", READABLE.split())
def test_scripts_and_emoji_are_left_alone(text: str) -> None:
    """Joined emoji, flags of regions, Persian and Hebrew are written as their readers know them."""
    assert sanitize(text) == text == one_line(text)


def test_every_character_is_shown_kept_or_blanked_and_none_moves() -> None:
    """The whole of Unicode, between Latin letters: nothing a terminal obeys is left, and no column shifts."""
    everything = "".join(f"a{chr(code)}b" for code in range(0x110000))
    fit = one_line(everything)
    assert len(fit) == len(everything) and not OBEYED.search(fit)
    assert not re.search("[\u200c-\u200f\u061c]", fit), "between Latin letters a joiner only hides"
    document = json.dumps({"text": everything}, ensure_ascii=False)
    assert json.loads(plain_json(document)) == {"text": everything} and not OBEYED.search(plain_json(document))


def test_the_command_line_prints_through_its_own_console_only() -> None:
    """`print`, another console, and rich's markup exist nowhere else: a new verb cannot forget the gate."""
    allowed = {"output.py", "console.py", "follow.py", "chat.py"}
    for path in sorted((PACKAGE / "commands").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                name = node.func.id
                if name in ("print", "Console") and path.name not in allowed:
                    raise AssertionError(
                        f"{path.name}:{node.lineno} calls {name}; use the functions of commands/shared/output.py"
                    )
            words = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
            assert not words & {"escape", "from_markup", "render_markup"}, f"{path.name} deals in markup"
