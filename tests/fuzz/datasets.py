"""Broken datasets: every container and form that is read, damaged; and what is not a file at all."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from brightrun_tui import datasets
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.tui.widgets import plan_text
from tests.fuzz.mutate import mutate_bytes, mutate_value
from tests.fuzz.tally import Tally

Rows = list[dict[str, Any]]


def chats(count: int) -> Rows:
    return [
        {
            "messages": [
                {"role": "system", "content": "Be short."},
                {"role": "user", "content": f"Where is parcel {n}?"},
                {"role": "assistant", "content": f"On cart {n * 3}, near the door."},
            ],
            "id": f"c{n}",
        }
        for n in range(count)
    ]


def pairs(count: int) -> Rows:
    return [
        {"prompt": f"What is {n} and {n}?", "completion": f"It is {2 * n}.", "category": "sums" if n % 2 else "more"}
        for n in range(count)
    ]


def shares(count: int) -> Rows:
    return [
        {
            "conversations": [
                {"from": "human", "value": f"Tell me of {n}"},
                {"from": "gpt", "value": f"{n} is a number."},
            ]
        }
        for n in range(count)
    ]


def alpacas(count: int) -> Rows:
    return [{"instruction": "Translate.", "input": f"word {n}", "output": f"Wort {n}"} for n in range(count)]


FORMS: tuple[Callable[[int], Rows], ...] = (chats, pairs, shares, alpacas)


def packed(rows: Rows, random: Random) -> tuple[str, bytes]:
    """A suffix and the content of a file with these rows in one of the containers."""
    lines = "".join(json.dumps(row, ensure_ascii=random.random() < 0.5) + "\n" for row in rows).encode(
        "utf-8", "replace"
    )
    match random.randrange(11):
        case 0:
            return ".json", json.dumps(rows).encode()
        case 1:
            return ".json", json.dumps(
                {"about": "x", "data": rows, "more": [1, 2]}, indent=random.choice((None, 1))
            ).encode()
        case 2:
            return random.choice((".csv", ".tsv")), table(rows, random)
        case 3:
            return ".jsonl.gz", gzip.compress(lines, 1)
        case 4:
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr("data.jsonl", lines)
            return ".zip", buffer.getvalue()
        case 5:
            return ".jsonl", lines.decode().encode(random.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig")))
        case 6 if random.random() < 0.3:
            return ".xlsx", workbook(rows)
        case 7 if random.random() < 0.3:
            return ".parquet", parquet(rows)
        case _:
            return random.choice((".jsonl", ".ndjson", ".json", "", ".txt")), lines


def table(rows: Rows, random: Random) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=random.choice(",;\t|"))
    writer.writerow(["prompt", "completion", "note"])
    for row in rows:
        writer.writerow([str(value)[:200] for value in (*row.values(), "", "")][:3])
    return text.getvalue().encode("utf-8", "replace")


def workbook(rows: Rows) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    for row in [("prompt", "completion"), *((f"q{n}", f"a{n}") for n in range(len(rows)))]:
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def parquet(rows: Rows) -> bytes:
    import pyarrow
    import pyarrow.parquet

    buffer = io.BytesIO()
    pyarrow.parquet.write_table(
        pyarrow.table(
            {"prompt": [f"q{n}" for n in range(len(rows))], "completion": [f"a{n}" for n in range(len(rows))]}
        ),
        buffer,
    )
    return buffer.getvalue()


def odd_things(directory: Path) -> Iterator[tuple[str, Path]]:
    """Names that stand for no file of data."""
    fifo, loop, hole, secret = (directory / name for name in ("fifo.jsonl", "loop.jsonl", "hole.jsonl", "secret.jsonl"))
    os.mkfifo(fifo)
    loop.symlink_to(loop.name)
    hole.write_bytes(b'{"prompt": "a", "completion": "b"}\n' * 50)
    os.truncate(hole, 1 << 40)
    secret.write_text("{}")
    secret.chmod(0)
    (directory / "directory.jsonl").mkdir()
    (directory / "dangling.jsonl").symlink_to("nowhere")
    (directory / "device.jsonl").symlink_to("/dev/zero")
    (directory / "empty.jsonl").touch()
    bad = os.fsencode(directory) + b"/\xff\xfe.jsonl"
    with open(bad, "wb") as file:
        file.write(b'{"prompt": "a", "completion": "b"}\n' * 3)
    names = [
        "fifo.jsonl",
        "loop.jsonl",
        "hole.jsonl",
        "secret.jsonl",
        "directory.jsonl",
        "dangling.jsonl",
        "device.jsonl",
        "empty.jsonl",
        "x" * 300,
        "a\0b",
        "fifo.jsonl/x",
    ]
    for name in names:
        yield name[:20], directory / name
    yield "a name that is not a UTF-8", Path(os.fsdecode(bad))
    for text in ("~nobody/x.jsonl", "", ".", "/", "/dev/stdin/x", "/proc/self/mem"):
        yield text, Path(text)


def fuzz(count: int, seed: int, directory: Path) -> list[Tally]:
    """Each is checked as the app checks it, and what is accepted is shown and prepared."""
    random = Random(seed)
    bytewise, valuewise, odd = Tally("datasets, bytes"), Tally("datasets, values"), Tally("datasets, no files")
    for label, path in odd_things(directory):
        odd.feed(label, partial(checked, path, {}))
    for number in range(count):
        rows = random.choice(FORMS)(random.choice((1, 3, 12, 40)))
        by_value = random.random() < 0.5
        if by_value:
            rows = mutate_value(rows, random)
        try:
            suffix, content = packed(rows, random)
        except (ValueError, TypeError, AttributeError, RecursionError):
            by_value, (suffix, content) = False, packed(chats(8), random)
        if not by_value:
            content = mutate_bytes(content, random)
        path = directory / f"data-{number % 50}{suffix}"
        path.write_bytes(content)
        columns = (
            {} if random.random() < 0.9 else {"prompt": "prompt", "completion": random.choice(("completion", "note"))}
        )
        tally = valuewise if by_value else bytewise
        bad = tally.bad
        tally.feed(
            f"seed {seed} number {number}",
            partial(checked, path, columns, directory / f"out-{number % 50}" if number % 10 == 0 else None),
        )
        if tally.bad == bad:
            path.unlink()
        else:
            path.rename(directory / f"FAILED-{seed}-{number}{suffix}")
    return [bytewise, valuewise, odd]


def checked(path: Path, columns: dict[str, str], target: Path | None = None) -> None:
    report: DatasetReport = datasets.check(path, columns=columns or None)
    for width in (20, 80):
        plan_text.data_report(report, width)
        plan_text.conversations(report, width)
    if target is not None:
        from brightrun_tui.domain.setting_groups import DataSettings

        datasets.prepare(path, target, DataSettings(), columns=columns or None)
