"""The logs of a run that went over several machines can be read machine by machine, also where the copy lost its beginning."""

from __future__ import annotations

from pathlib import Path

import pytest

from brightrun_tui.domain.machine_parts import THIS_MACHINE, read_parts, spans_of
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.hosts.arrivals import append
from brightrun_tui.lines import read_span
from brightrun_tui.orchestrator.log_copy import LogCopy
from brightrun_tui.orchestrator.machine_notes import note_machine
from brightrun_tui.tui.widgets.run_log import RunLog


def goes_on(files: RunDirectory, machine: str) -> None:
    """As `Mirror.send`: what is at home is sent there, and the copy is the whole log."""
    note_machine(files, machine)
    LogCopy(files).begin_anew()


def worked(files: RunDirectory, what: str) -> None:
    """A worker said and printed something."""
    append(
        files.events, b'{"seq":0,"time":1.0,"kind":"alert","level":"info","code":"x","message":"%s"}\n' % what.encode()
    )
    append(files.log, f"{what} printed\n".encode())


def apart(files: RunDirectory) -> dict[str, tuple[str, ...]]:
    """By machine, what the app shows of it alone."""
    found = {}
    for number, part in enumerate(read_parts(files)):
        news = RunLog(files.root, number).read()
        found[f"{number} {part.machine}"] = news.lines if news else ()
    return found


def test_each_machine_has_its_own_lines(tmp_path: Path) -> None:
    """Begun here, gone on with on two rented machines, one of them twice, and ended here."""
    files = RunDirectory(tmp_path)
    for machine in (THIS_MACHINE, "RTX 4090 a", "H100 b", "RTX 4090 a", THIS_MACHINE):
        goes_on(files, machine)
        note_machine(files, machine)  # the engine was started anew meanwhile
        worked(files, f"on {machine}")
    shown = apart(files)
    assert list(shown) == ["0 this machine", "1 RTX 4090 a", "2 H100 b", "3 RTX 4090 a", "4 this machine"]
    for place, lines in shown.items():
        machine = place.partition(" ")[2]
        assert [line for line in lines if "──" not in line and "printed" in line] == [f"on {machine} printed"]
        assert sum("· on" in line for line in lines) == 1 and f"· on {machine}" in " ".join(lines)
    whole = RunLog(tmp_path).read()
    assert whole is not None and sum("printed" in line for line in whole.lines) == 5


def test_a_run_that_stays_here_has_no_parts(tmp_path: Path) -> None:
    """Nothing is written down where there is nothing to tell apart."""
    files = RunDirectory(tmp_path)
    note_machine(files, THIS_MACHINE)
    worked(files, "here")
    note_machine(files, THIS_MACHINE)
    assert read_parts(files) == () and not files.machines.exists() and b"\xe2\x94\x80" not in files.log.read_bytes()


@pytest.mark.parametrize("left", [1, 2, 3])
def test_a_copy_that_lost_its_beginning(tmp_path: Path, left: int) -> None:
    """The copy of a flooding log keeps its end: what is left of it is still that of the machine that printed it."""
    files = RunDirectory(tmp_path)
    for machine in "abc":
        goes_on(files, f"GPU {machine}")
        append(files.log, b"".join(b"%s %d\n" % (machine.encode(), number) for number in range(100)))
    text = files.log.read_bytes()
    wanted = {1: b"a 50\n", 2: b"b 50\n", 3: b"c 50\n"}[left]
    files.log.write_bytes(b"\n... left out\n" + text[text.index(wanted) :])
    parts = read_parts(files)
    for number, part in enumerate(parts):
        printed = read_span(files.log, *spans_of(files, parts, number).printed).decode().split()
        letter = part.machine[-1]
        assert {word for word in printed if word in "abc"} == ({letter} if number >= left - 1 else set())


def test_another_machine_ends_the_part_before_it(tmp_path: Path) -> None:
    """Who reads the log of a machine does not get that of the next one, which takes over meanwhile."""
    files = RunDirectory(tmp_path)
    goes_on(files, "GPU a")
    worked(files, "first")
    log = RunLog(tmp_path, 0)
    assert log.read() is not None
    worked(files, "second")
    goes_on(files, "GPU b")
    worked(files, "third")
    news = log.read()
    assert news is not None and "second printed" in news.lines and "third" not in " ".join(news.lines)
    assert log.read() is None


async def test_a_heading_of_ours_costs_no_line_of_the_machine(tmp_path: Path) -> None:
    """The copy is followed by bytes: a heading that is only in the copy shifts nothing."""

    class There:
        text = b"one\n"

        async def size(self, path: str) -> int:
            return len(self.text)

        async def read(self, path: str, offset: int, limit: int) -> bytes:
            return self.text[offset : offset + limit]

    files, host = RunDirectory(tmp_path), There()
    copy = LogCopy(files)
    await copy.follow(host)  # type: ignore[arg-type]
    note_machine(files, "GPU b")  # while one was at work that an earlier version had started
    host.text += b"two\nthree\n"
    await copy.follow(host)  # type: ignore[arg-type]
    lines = files.log.read_text().splitlines()
    assert [line for line in lines if "──" not in line] == ["one", "two", "three"]
