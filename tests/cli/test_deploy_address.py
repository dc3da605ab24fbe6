"""``brightrun deploy --host``."""

from __future__ import annotations

import pytest

from tests.cli.conftest import CommandLine


@pytest.mark.parametrize("address", ["nonsense", "localhost", "300.1.1.1", "10.0.0.1:80", "10.0.0.0/8"])
def test_what_is_no_address_is_refused_before_anything_begins(brightrun: CommandLine, address: str) -> None:
    """Exit code 2; the option, and what it takes, are named."""
    done = brightrun("deploy", "nothing", "--host", address, "--json")
    assert done.code == 2 and done.error["where"] == "--host" and "0.0.0.0" in done.error["fix"]
