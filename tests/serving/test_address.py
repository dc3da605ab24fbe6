"""An endpoint listens where it was told to, and nowhere else."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import openai
import psutil
import pytest

from brightrun_tui import serving
from brightrun_tui.serving.plan import read_plan
from tests.serving.toy import Toy, end, serve

ANOTHER = "127.0.0.2"


@pytest.mark.slow
def test_it_answers_at_the_address_that_was_asked_for_and_only_there(toy: Toy, tmp_path: Path) -> None:
    """With its key as ever, at the same port; at every other address of the machine nobody listens."""
    directory = tmp_path / "endpoint"
    try:
        state = serve(directory, toy.version(), host=ANOTHER)
        place = urlsplit(state.url)
        assert place.hostname == ANOTHER and place.port
        client = openai.OpenAI(base_url=state.url, api_key=serving.read_key(directory), max_retries=0, timeout=60)
        question = toy.sample.prompt[-1]["content"]
        assert client.responses.create(model="harbour", input=question, temperature=0).output_text == toy.sample.tuned
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(base_url=state.url, api_key="wrong", max_retries=0).models.list()
        with socket.socket() as other:
            assert other.connect_ex(("127.0.0.1", place.port)) != 0
        assert state.pid
        listening = [
            one for one in psutil.Process(state.pid).net_connections("tcp") if one.status == psutil.CONN_LISTEN
        ]
        assert [one.laddr.ip for one in listening] == [ANOTHER]
    finally:
        end(directory)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:8311/v1"),
        ("0.0.0.0", "http://127.0.0.1:8311/v1"),
        ("::", "http://[::1]:8311/v1"),
        ("192.168.1.20", "http://192.168.1.20:8311/v1"),
        ("fd00::1", "http://[fd00::1]:8311/v1"),
    ],
)
def test_this_machine_reaches_it_wherever_it_listens(toy: Toy, tmp_path: Path, host: str, url: str) -> None:
    """All addresses are reached at loopback, one of them at itself."""
    serving.prepare(tmp_path / "endpoint", endpoint_id="e1", version=toy.version(), host=host)
    assert read_plan(tmp_path / "endpoint").url(8311) == url
