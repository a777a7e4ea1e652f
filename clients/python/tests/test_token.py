"""A watch whose token expires while it is open."""

import hashlib
import json
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import grpc
import pytest
from concord.workflow.v1 import workflow_pb2
from concord_client import Client, ConcordError
from conftest import CONCORD, Server, until

#: Seconds: these expire one after the other. A busy machine may come too late for the first of them.
LIVES = (4, 8, 16, 32, 64)


def entry(token: str, **more: str) -> dict[str, str]:
    return {"principal": "ada", "sha256": hashlib.sha256(token.encode()).hexdigest(), **more}


@pytest.fixture
def server(tmp_path: Path):
    subprocess.run([CONCORD, "dev-certs", tmp_path], check=True, capture_output=True)
    now = datetime.now(timezone.utc)
    ends = {f"of-{life}": (now + timedelta(seconds=life)).strftime("%Y-%m-%dT%H:%M:%SZ") for life in LIVES}
    tokens = [entry("last"), *(entry(token, not_after=end) for token, end in ends.items())]
    access = tmp_path / "access.yaml"
    access.write_text(
        json.dumps({"authentication": {"tokens": tokens}, "grants": [{"principals": ["ada"], "roles": ["client"]}]})
    )
    flags = ["--tls-cert", tmp_path / "server.pem", "--tls-key", tmp_path / "server-key.pem", "--access", access]
    started = Server(tmp_path, flags=flags)
    yield started
    started.stop()


def connect(server: Server, folder: Path, token: Callable[[], str]) -> Client:
    tls = grpc.ssl_channel_credentials((folder / "ca.pem").read_bytes())

    # As the README has it.
    def bearer(context, callback):
        callback((("authorization", f"Bearer {token()}"),), None)

    credentials = grpc.composite_channel_credentials(tls, grpc.metadata_call_credentials(bearer))
    return Client(server.address, requested_by="ada", credentials=credentials)


def is_refused(client: Client) -> bool:
    try:
        client.get("wf-1")
        return False
    except ConcordError as error:
        return error.reason == "UNAUTHENTICATED"


def test_a_watch_goes_on_with_the_next_token_when_its_own_expires(server: Server, tmp_path: Path):
    file, asked = tmp_path / "token", []

    def replace(token: str) -> None:
        """How a token is renewed: whoever reads finds the one or the other."""
        (tmp_path / "token.new").write_text(token)
        (tmp_path / "token.new").rename(file)

    def read() -> str:
        asked.append(file.read_text())
        return asked[-1]

    with connect(server, tmp_path, lambda: "last") as last, connect(server, tmp_path, read) as watcher:
        last.create("wf-1")
        for token in (f"of-{life}" for life in LIVES):
            replace(token)
            events = watcher.watch(after_sequence=0, workflow_id="wf-1")
            try:
                assert next(events).version == 1
            except ConcordError as error:
                assert error.reason == "UNAUTHENTICATED"
                continue
            replace("last")
            with connect(server, tmp_path, lambda: token) as same:
                until(lambda: is_refused(same), "the token expires")
            last.transition("wf-1", workflow_pb2.WORKFLOW_STATE_ACTIVE, reason="a test")
            assert next(events).version == 2
            assert asked[-2:] == [token, "last"]
            events.close()
            return
    pytest.fail("each token had expired before anything could be asked")
