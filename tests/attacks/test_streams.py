"""What is around the command line and not as it should be: its streams, its directory, its limits, its database."""

from __future__ import annotations

import errno
import json
import os
import py_compile
import shlex
import sqlite3
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer

from brightrun_tui.commands.shared.failures import explain
from brightrun_tui.domain.error_kinds import ErrorKind
from tests.cli.conftest import CommandLine, brightrun
from tests.cli.seed import seed

__all__ = ["brightrun"]

DATA = "".join(
    json.dumps({"prompt": f"Was kostet Nr. {n}?", "completion": f"{n} € – 日本 🙂."}, ensure_ascii=False) + "\n"
    for n in range(9)
)


def shell(
    line: CommandLine, command: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """A command in which “brightrun” is the command line. What Python compiles meanwhile is not kept: where files may not be
    large it would keep half of it.
    """
    environment = {"PYTHONDONTWRITEBYTECODE": "1", **environment}
    ours = shlex.join([sys.executable, "-m", "brightrun_tui"])
    return subprocess.run(
        ["bash", "-c", command.replace("brightrun", ours)],
        env=line.environment(**environment),
        cwd=cwd,
        capture_output=True,
        timeout=120,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "d.jsonl"
    path.write_text(DATA, "utf-8")
    return path


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_a_terminal_of_few_letters_gets_all_the_same(brightrun: CommandLine, data: Path, encoding: str) -> None:
    """Every verb ended in an error that nobody foresaw."""
    done = shell(brightrun, f"brightrun datasets check {data}", PYTHONIOENCODING=encoding)
    assert done.returncode == 0 and b"foresaw" not in done.stderr and b"9 of 9 records" in done.stdout
    done = shell(brightrun, f"brightrun datasets check {data} --json", PYTHONIOENCODING=encoding)
    document = json.loads(done.stdout.decode("ascii"))
    assert "日本 🙂" in json.dumps(document, ensure_ascii=False), "JSON stays JSON"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("verb", ["runs", "runs show nothing", "connect vast", "notify add x", "datasets list --json"])
def test_closed_streams_are_no_error_and_no_file_of_ours_takes_their_place(
    brightrun: CommandLine, closed: str, verb: str
) -> None:
    done = shell(brightrun, f"brightrun {verb} {closed}")
    assert done.returncode in (0, 2) and b"foresaw" not in done.stderr
    assert not (brightrun.home / "logs").exists() or not list((brightrun.home / "logs").glob("error-*"))


def test_whatever_we_open_does_not_become_a_stream_of_a_child(tmp_path: Path) -> None:
    """With its output closed, a program opened its database as number 1, and what a child printed went into that."""
    script = (
        "from brightrun_tui.process import begin_privately; begin_privately()\n"
        f"import subprocess; kept = open({str(tmp_path / 'kept')!r}, 'wb')\n"
        "assert kept.fileno() > 2\nsubprocess.run(['echo', 'noise'])\nprint('more noise', flush=True)\n"
    )
    subprocess.run(["bash", "-c", f"{shlex.join([sys.executable, '-c', script])} <&- >&- 2>&-"], check=True, timeout=60)
    assert (tmp_path / "kept").read_bytes() == b""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("mkdir gone && cd gone && rmdir ../gone && BRIGHTRUN_HOME=here brightrun runs", "is gone"),
        (f"BRIGHTRUN_HOME=$PWD/{'x' * 300} brightrun runs", "File name too long"),
        ("ulimit -f 1; brightrun datasets add d.jsonl", "fix"),
        ("brightrun locate >/dev/full", "standard output"),
        ("brightrun runs --json >/dev/full", "standard output"),
        ("brightrun runs show nothing --json >/dev/full", "no run"),
        ("gzip d.jsonl; ulimit -f 0; brightrun datasets check d.jsonl.gz", "temporary files"),
        ("brightrun runs show $'\\xff\\xfe'", "such"),
        ("brightrun runs; ulimit -n 8; brightrun runs", "no more open files"),
        ("ulimit -n 5; brightrun runs", "no more open files"),
        ("brightrun runs; ulimit -f 1; brightrun runs", "no more bytes in one file"),
    ],
    ids=[
        "a directory that is gone",
        "a long home",
        "small files only",
        "a full disk to print to",
        "a full disk for JSON",
        "a full disk for an error",
        "no temporary files",
        "a name that is no text",
        "too few files for the database",
        "too few files for anything",
        "files too small for the database",
    ],
)
def test_what_is_wrong_around_it_is_one_sentence(brightrun: CommandLine, data: Path, command: str, said: str) -> None:
    done = shell(brightrun, command, cwd=data.parent)
    told = done.stderr.decode()
    assert done.returncode in (1, 2) and "foresaw" not in told and said in told


def test_what_is_kept_is_text(brightrun: CommandLine) -> None:
    seed(brightrun.home)
    done = shell(brightrun, "brightrun models describe tone $'\\xff\\xfe'")
    assert done.returncode == 2 and b"no text in UTF-8" in done.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "memory"),
        (RuntimeError("can't start new thread"), "processes or threads"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "processes or threads"),
    ],
)
def test_what_there_is_no_more_of_is_named(error: Exception, said: str) -> None:
    """“An error nobody foresaw”, in a container that allows few threads or little memory."""
    told = explain(error, [])
    assert said in told.what and told.fix and told.kind == ErrorKind.NOT_PERMITTED


@pytest.mark.parametrize("left", [16, 20, 40])
def test_a_module_of_which_half_was_written_is_not_a_question_that_was_not_answered(
    left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stays behind where the disk was full when Python compiled it; a verb that met it ended with “not confirmed”."""
    source = tmp_path / f"half{left}.py"
    source.write_text("import os\n\n\ndef work():\n    return os.name\n")
    compiled = source.with_suffix(".pyc")
    py_compile.compile(str(source), str(compiled), doraise=True)
    source.unlink()
    os.truncate(compiled, left)
    monkeypatch.syspath_prepend(str(tmp_path))
    app = typer.Typer()
    app.command()(lambda: import_module(source.stem) and None)
    with pytest.raises((typer.Abort, EOFError, ImportError)) as met:
        typer.main.get_command(app).main(args=[], standalone_mode=False)
    told = explain(met.value, [])
    assert "half there" in told.what and "__pycache__" in told.fix


@pytest.mark.parametrize(
    "statement", ["DROP TABLE runs", "PRAGMA user_version = 1", "ALTER TABLE runs RENAME COLUMN doc TO cod"]
)
def test_a_database_that_lost_a_part_is_damaged_and_says_what_to_do(brightrun: CommandLine, statement: str) -> None:
    assert brightrun("runs").code == 0
    with sqlite3.connect(brightrun.home / "data" / "brightrun.db") as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute(statement)
    assert brightrun("runs", "--json").error["kind"] == "damaged_data"


def test_a_database_that_cannot_be_opened_is_said_once(brightrun: CommandLine) -> None:
    """A second line, of an error that nobody foresaw, followed it."""
    (brightrun.home / "data" / "brightrun.db").mkdir(parents=True)
    told = shell(brightrun, "brightrun runs").stderr.decode()
    assert "cannot write the database" in told and "foresaw" not in told


def test_credentials_that_are_a_pipe_or_have_no_end_are_a_sentence(brightrun: CommandLine) -> None:
    file = brightrun.home / "config" / "credentials.json"
    file.parent.mkdir(parents=True)
    for make in (lambda: os.mkfifo(file), lambda: file.symlink_to("/dev/zero"), lambda: file.write_text("[" * 100_000)):
        make()
        assert "credentials" in brightrun("disconnect", "vast", "--json").error["what"]
        file.unlink()
