"""A bad file is refused before anything starts: one error with what, where and a fix, in bounded memory and time."""

from __future__ import annotations

import builtins
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from brightrun_tui import datasets
from brightrun_tui.datasets.formats import formats
from brightrun_tui.domain.errors import DatasetError
from tests.datasets.conftest import Write, chat, lines, pairs

GOOD = '{"prompt": "a", "completion": "bcd"}\n'
UTF8 = '{"prompt": "é", "completion": "bcd"}\n'

REFUSED = [
    ("empty.jsonl", "", "dataset_empty", ""),
    ("blank.json", " \n\t\n", "dataset_empty", ""),
    ("bom.json", b"\xef\xbb\xbf", "dataset_empty", ""),
    ("array.json", "[]", "dataset_empty", ""),
    ("header.csv", "prompt,completion\n", "dataset_empty", ""),
    ("meta.jsonl", '{"_meta": {"total_pairs": 9}}\n', "dataset_empty", ""),
    ("binary.jsonl", bytes(range(256)), "dataset_binary", ""),
    ("sheet.csv", b"PK\x03\x04 workbook", "dataset_broken_archive", ""),
    ("sheet.xlsx", b"PK\x03\x04 workbook", "dataset_broken_workbook", ""),
    ("packed.jsonl", b"\x1f\x8b\x08 gzip", "dataset_broken_archive", ""),
    ("mixed.jsonl", UTF8.encode() + GOOD.encode() + UTF8.encode("latin-1"), "dataset_encoding", ":3"),
    ("mixed.json", b"[" + UTF8.encode() + b"," + UTF8.encode("latin-1") + b"]", "dataset_encoding", ":2"),
    ("mixed.csv", "prompt,completion\né,b\n".encode() + "café,b\n".encode("latin-1"), "dataset_encoding", ":3"),
    ("names.csv", "How long do you open?,Until six in the evening.\nWhere?,In the town.\n", "dataset_no_header", ":1"),
    ("middle.jsonl", GOOD * 3 + '{"prompt": "a" "completion": "b"}\n' + GOOD, "dataset_broken_json", ":4:16"),
    ("python.jsonl", GOOD + "{'prompt': 'a'}\n" + GOOD, "dataset_broken_json", ":2:2"),
    ("two.jsonl", GOOD.strip() + GOOD, "dataset_broken_json", ":1:37"),
    ("cut.jsonl", GOOD * 2 + GOOD[:20], "dataset_truncated", ":3:"),
    ("cutletter.jsonl", GOOD.encode() + UTF8.encode()[:13], "dataset_truncated", ":2"),
    ("cut.json", "[\n" + GOOD + "," + GOOD + "," + GOOD[:20], "dataset_truncated", ":4:22"),
    ("comma.json", "[\n" + GOOD + ",\n]", "dataset_broken_json", ":4:1"),
    ("trailing.json", "[" + GOOD + "]\n{}", "dataset_broken_json", ":3:1"),
    ("nan.jsonl", GOOD + '{"prompt": "a", "completion": NaN}\n', "dataset_nan", ":2"),
    ("nan.json", '[{"prompt": "a",\n"completion": NaN}]', "dataset_nan", ":2:15"),
    ("deep.json", "[1," + "[" * 1_000_000, "dataset_nesting", ", entry 2"),
    ("deep.jsonl", GOOD + "[" * 200_000 + "]" * 200_000 + "\n", "dataset_nesting", ":2"),
    (
        "deeper.jsonl",
        GOOD + '{"prompt": "a", "completion": ' + '{"b":' * 500 + "1" + "}" * 501 + "\n",
        "dataset_nesting",
        ":2",
    ),
    ("digits.json", '[{"id": ' + "9" * 9000 + "}]", "dataset_broken_json", ", entry 1"),
    ("half.json", '[{"id": "\\udc00"}]', "dataset_encoding", ", entry 1"),
    ("digits.jsonl", GOOD + '{"prompt": "a", "completion": ' + "9" * 9000 + "}\n", "dataset_broken_json", ":2"),
    ("width.csv", "prompt,completion\na,b\nwhat, then,b\n", "dataset_row_width", ":3"),
    ("narrow.csv", "prompt,completion\na,b\nc\n", "dataset_row_width", ":3"),
    ("quote.csv", 'prompt,completion\na,"b\nc,d\ne,f\n', "dataset_broken_csv", ":2"),
    ("twice.csv", "prompt,answer,prompt\na,b,c\n", "dataset_columns", ":1"),
    ("columns.csv", "Customer question,Our reply,When\na,b,c\n", "dataset_columns", ":1"),
    ("unknown.json", '{"rows": [{"foo": 1, "bar": 2}]}', "dataset_unknown_format", ""),
    ("scalars.json", "[1, 2]", "dataset_unknown_format", ""),
    ("prefer.jsonl", '{"prompt": "a", "chosen": "b", "rejected": "c"}\n', "dataset_preferences", ""),
    ("notes.txt", "Dear diary", "dataset_unknown_file_type", ""),
    ("one.jsonl", GOOD, "dataset_too_small", ""),
    ("same.jsonl", GOOD * 9, "dataset_too_small", ""),
    ("bad.parquet", b"PAR1 but no more", "dataset_broken_parquet", ""),
]


@pytest.mark.parametrize(("name", "content", "kind", "place"), REFUSED, ids=[case[0] for case in REFUSED])
def test_bad_files_are_refused_with_place_and_fix(
    write: Write, name: str, content: str | bytes, kind: str, place: str
) -> None:
    """One DatasetError of a stable kind that names the file, the line where there is one, and the fix."""
    path = write(name, content)
    with pytest.raises(DatasetError) as refused:
        datasets.check(path)
    error = refused.value
    assert error.kind == kind
    assert str(path) in error.where and place in error.where.removeprefix(str(path))
    assert error.what and error.fix and "Error" not in error.what


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, write: Write) -> None:
    """Missing (with the name that was probably meant), an empty directory, a pipe, a locked file."""
    path = write("customers.jsonl", GOOD)
    cases: list[tuple[str | Path, str, str]] = [
        (tmp_path / "costumers.jsonl", "dataset_missing", "customers.jsonl"),
        (tmp_path / "no" / "x.jsonl", "dataset_missing", "no directory"),
        (tmp_path / "empty", "dataset_is_directory", "files of one kind"),
        ("a\0b.jsonl", "dataset_missing", ""),
    ]
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    cases.append((tmp_path / "pipe.jsonl", "dataset_not_a_file", ""))
    if os.geteuid() != 0:
        path.chmod(0)
        cases.append((path, "dataset_unreadable", "chmod"))
    for place, kind, hint in cases:
        with pytest.raises(DatasetError) as refused:
            datasets.check(place)
        assert refused.value.kind == kind and hint in refused.value.fix


def test_wrong_columns_are_named_with_a_mapping_that_would_work(write: Write) -> None:
    """The error lists the columns found and a mapping by what they are called; that mapping is accepted."""
    path = write("faq.csv", "Id;Customer Question;Our Reply\n1;What?;That.\n2;Who?;Them.\n")
    with pytest.raises(DatasetError) as refused:
        datasets.check(path)
    assert "“Customer Question”" in refused.value.what and "prompt and completion" in refused.value.what
    assert 'prompt="Customer Question", completion="Our Reply"' in refused.value.fix
    assert datasets.check(path, columns={"prompt": "Customer Question", "completion": "Our Reply"}).usable == 2


def test_an_unknown_shape_names_its_fields_and_the_known_formats(write: Write) -> None:
    """Whoever sees the error learns what was found and what is wanted."""
    with pytest.raises(DatasetError) as refused:
        datasets.check(write("x.jsonl", lines({"alpha": 1, "beta": 2})))
    assert "“alpha”, “beta”" in refused.value.what
    assert all(name in refused.value.fix for name in formats())


def test_parquet_without_pyarrow_names_the_extra(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A core installation has no pyarrow; the error says how to get it."""
    real = builtins.__import__

    def without_pyarrow(name: str, *args: Any, **kwargs: Any) -> ModuleType:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    with pytest.raises(DatasetError, match=r"pyarrow.*brightrun\[parquet\]"):
        datasets.check(write("a.parquet", b"PAR1....PAR1"))


_MEASURE = """
import sys
from brightrun_tui import datasets
from brightrun_tui.domain.errors import DatasetError
from brightrun_tui.trainer.runtime.hardware import peak_memory
datasets.check(sys.argv[1])  # what every check imports and reads once
import ijson
before = peak_memory()
try:
    datasets.check(sys.argv[2])
    kind = "accepted"
except DatasetError as error:
    kind = error.kind
print(kind, (peak_memory() - before) >> 20)
"""
"""Takes a small file and the one that is measured."""


def measured(path: Path) -> tuple[str, int]:
    """Check a file in a process of its own; what came of it, and the MiB that it took beyond what a small one takes."""
    small = path.with_name("small.jsonl")
    small.write_text("".join(f"{json.dumps(chat(f'question {i} why', f'answer {i} because'))}\n" for i in range(200)))
    words = [sys.executable, "-c", _MEASURE, str(small), str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    kind, megabytes = done.stdout.split()
    return kind, int(megabytes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["huge.jsonl", "huge.json", "huge.csv", "hugelist.json"])
def test_a_single_line_of_200_mb_is_refused_quickly_and_without_loading_it(tmp_path: Path, name: str) -> None:
    """Time and memory are bounded by the longest record allowed (32 MiB), not by the file."""
    path = tmp_path / name
    with path.open("wb") as file:
        file.write({"huge.csv": b'prompt,completion\n"', "hugelist.json": b'[[["'}.get(name, b'{"prompt": "'))
        for _ in range(200):
            file.write(b"a" * 1_000_000)
    kind, megabytes = measured(path)
    assert kind == "dataset_record_too_long" and megabytes < 200


def test_many_lines_of_one_form_are_checked_in_bounded_memory(tmp_path: Path) -> None:
    """A large, good file takes some hundred bytes a record, also where all records are much alike."""
    path = tmp_path / "many.jsonl"
    with path.open("w") as file:
        for i in range(20_000):
            file.write(json.dumps(chat(f"question {i} " + "why " * 60, f"answer {i} " + "because " * 60)) + "\n")
    kind, megabytes = measured(path)
    assert kind == "accepted" and megabytes < 30


def test_a_document_is_read_as_a_stream(write: Write) -> None:
    """A JSON array far longer than one record may be is fine: the limit is on records, not on files."""
    from brightrun_tui.datasets import source

    path = write(
        "long.json", json.dumps([{**row, "completion": row["completion"] + "o" * 1_200_000} for row in pairs(40)])
    )
    assert path.stat().st_size > source.MAX_RECORD_BYTES
    assert datasets.check(path).usable == 40


def test_checking_stays_cheap_to_import() -> None:
    """Neither torch nor pyarrow nor ijson is loaded by importing the room."""
    code = (
        "import sys, brightrun_tui.datasets\n"
        "print([name for name in ('torch', 'transformers', 'pyarrow', 'ijson') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"
