"""Checking and keeping datasets from the command line."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from brightrun_tui.commands.shared.dataset_pages import print_report
from brightrun_tui.commands.shared.options import parse_relabel
from brightrun_tui.domain.dataset import DatasetReport, LanguageShares
from brightrun_tui.domain.token_lengths import describe_lengths
from tests.cli.conftest import CommandLine
from tests.planning.hub_stand_in import COMMIT, StandIn
from tests.toy_base import toy_base


def rows(count: int) -> bytes:
    return "".join(
        json.dumps({"prompt": f"What is the weight of parcel {i}?", "completion": f"{i * 7} grams"}) + "\n"
        for i in range(count)
    ).encode()


def test_ctrl_c_ends_a_check_at_once_and_leaves_nothing_behind(brightrun: CommandLine, tmp_path: Path) -> None:
    """Interrupted while it reads a packed file: exit code 130, no traceback, no temporary copy."""
    path, scratch = tmp_path / "many.jsonl.gz", tmp_path / "scratch"
    path.write_bytes(gzip.compress(rows(200_000), 1))
    scratch.mkdir()
    process = subprocess.Popen(
        brightrun.command("datasets", "check", path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=brightrun.environment(TMPDIR=str(scratch)),
    )
    while not any(scratch.iterdir()):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in out + err and not list(scratch.iterdir())


def test_a_dataset_of_the_hub_is_checked_added_and_found_by_its_name(brightrun: CommandLine) -> None:
    """``hf:owner/name`` where a file could stand; the revision is on record; an unknown split is a usage error with the list."""
    hub = StandIn({"train.jsonl": rows(40), "test.jsonl": rows(20)}, repository="acme/faq", kind="datasets").start()
    try:
        checked = brightrun("datasets", "check", "hf:acme/faq@test", "--json", HF_ENDPOINT=hub.url)
        assert checked.document["dataset"]["usable"] == 20
        assert brightrun("datasets", "add", "hf:acme/faq", "--name", "faq", HF_ENDPOINT=hub.url).code == 0
        refused = brightrun("datasets", "check", "hf:acme/faq@dev", "--json", HF_ENDPOINT=hub.url)
        assert refused.code == 2 and "test, train" in refused.error["what"]
    finally:
        hub.stop()
    shown = brightrun("datasets", "show", "faq", "--json").document["dataset"]
    assert (shown["name"], shown["usable"], shown["source"]) == ("faq", 40, f"hf:acme/faq@train#{COMMIT}")
    again = brightrun("datasets", "check", "faq", "--json", HF_ENDPOINT="http://127.0.0.1:9").document["dataset"]
    assert again["fingerprint"] == shown["fingerprint"]


def test_a_dataset_is_read_by_its_name_as_was_said_when_it_was_added(brightrun: CommandLine, tmp_path: Path) -> None:
    """Columns and encoding are part of what is kept: to check, show, repair or estimate it, its name is enough."""
    path = tmp_path / "fragen.csv"
    path.write_bytes(
        "Wer;Was\n".encode("cp1250")
        + b"".join(f"Kdo? {i};Odpov\u011b\u010f {i}.\n".encode("cp1250") for i in range(30))
    )
    said = ("--column", "prompt=Wer", "--column", "completion=Was", "--encoding", "cp1250")
    assert brightrun("datasets", "add", path, "--name", "fragen", *said).code == 0
    checked = brightrun("datasets", "check", "fragen", "--json").document["dataset"]
    assert (checked["usable"], checked["preview"][0]["messages"][1]["content"]) == (30, "Odpov\u011b\u010f 0.")
    record = brightrun("datasets", "show", "fragen", "--record", "2", "--json").document
    assert "Odpov\u011b\u010f 1." in json.dumps(record, ensure_ascii=False)
    made = brightrun("datasets", "repair", "fragen", "--drop-record", "1", "--json").document["dataset"]
    assert (made["name"], made["usable"], made["columns"]) == ("fragen-v2", 29, {})


def test_findings_are_shown_and_repaired_into_a_version_of_its_own(brightrun: CommandLine, tmp_path: Path) -> None:
    """check --show lists the records with their place; repair keeps a version by name, which knows what it was made from."""
    path = tmp_path / "parcels.jsonl"
    path.write_bytes(rows(30) + rows(2) + b'{"prompt": "Hello?", "completion": ""}\n')
    shown = brightrun("datasets", "check", path, "--show", "duplicate", "--json").document
    assert [(one["number"], one["place"], one["like"]) for one in shown["records"]] == [
        (31, "line 31", "line 1"),
        (32, "line 32", "line 2"),
    ]
    unknown = brightrun("datasets", "check", path, "--show", "garbled", "--json")
    assert unknown.code == 2 and "no_answer, duplicate" in unknown.error["fix"]
    made = brightrun("datasets", "repair", path, "--drop-duplicates", "--json").document["dataset"]
    assert (made["name"], made["usable"], made["duplicates"]) == ("parcels-v2", 30, 0)
    kept = brightrun("datasets", "show", "parcels-v2", "--json").document["dataset"]
    assert kept["origin"]["name"] == "parcels.jsonl" and "copies" in kept["origin"]["done"][0]
    one = brightrun("datasets", "show", "parcels-v2", "--record", "2", "--json").document
    assert one["record"]["messages"][1]["content"] == "7 grams"


def test_lengths_are_told_in_the_tokens_of_a_base_against_its_limits(brightrun: CommandLine, tmp_path: Path) -> None:
    """For programs: how many were counted, the limit, and the share that is over it."""
    path = tmp_path / "d.jsonl"
    path.write_bytes(rows(40))
    found = brightrun("datasets", "check", path, "--base", toy_base(), "--max-length", "16", "--json").document
    tokens = found["tokens"]
    assert (tokens["records"], tokens["of"], tokens["max_length"], tokens["limit"]) == (40, 40, 16, 16)
    assert tokens["over"] == 1.0 and tokens["context"] > 16 and tokens["longest"] > 16
    assert sum(each["share"] for each in tokens["ranges"]) == pytest.approx(1)
    assert found["dataset"]["languages"]["shares"] == {"en": 1.0}


def test_the_report_on_paper_says_lengths_and_languages(capsys: pytest.CaptureFixture[str]) -> None:
    """With the limit between the ranges that it parts."""
    report = DatasetReport(
        path="d.jsonl", name="d", format="messages", bytes=9, fingerprint="sha256:0", records=9, usable=9,
        languages=LanguageShares(shares={"de": 0.97, "en": 0.03}, judged=9, of=9),
    )  # fmt: skip
    tokens = describe_lengths(
        [100] * 8 + [900], base="m", of=9, records=9, context=8192, max_length=512, over_length="drop"
    )
    print_report(report, False, tokens)
    said = capsys.readouterr().out
    assert "German 97%, English 3%" in said and "11% are longer than 512 tokens and left out" in said
    before, _, after = said.partition("── max length 512 ──")
    assert "65 –   128" in before and "513 – 1,024" in after and "context of m 8,192" in after


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("bilings=billing", ("bilings", "billing")),
        (r"a\=b=c", ("a=b", "c")),
        (r"a=b\=c", ("a", "b=c")),
        ("size=a=b", ("size", "a=b")),
    ],
)
def test_a_category_with_an_equals_sign_can_be_named(given: str, meant: tuple[str, str]) -> None:
    assert tuple(parse_relabel([given]).items()) == (meant,)
