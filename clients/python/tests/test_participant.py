import logging
import shutil
import signal
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from concord.commit.v1 import transaction_pb2, two_phase_commit_pb2
from concord_client import Client
from concord_client.participant import Participant
from conftest import CONCORD, Server, until
from seats import Seats

COMMITTED, ABORTED = transaction_pb2.OUTCOME_COMMITTED, transaction_pb2.OUTCOME_ABORTED


@pytest.fixture
def client(server: Server):
    with Client(server.address, requested_by="ada", retry_for=60) as client:
        yield client


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "seats.sqlite")


@pytest.fixture
def participant(server: Server, database: str):
    participant = Participant([server.address], participant_id="seats", database=database, resource=Seats())
    yield participant
    participant.close()


def execute(client: Client, **payloads: str) -> transaction_pb2.Transaction:
    request = two_phase_commit_pb2.ExecuteTransactionRequest(requested_by="ada", reason="a test")
    request.wait_for_participants.seconds = 60
    request.prepare_timeout.seconds = 60
    for participant_id, payload in payloads.items():
        request.participants.add(participant_id=participant_id, payload=payload.encode())
    return client.call(client.transactions.ExecuteTransaction, request, timeout=120).transaction


def sold(database: str) -> list[tuple[str, int]]:
    with sqlite3.connect(database) as db:
        return db.execute("SELECT seat, sold FROM seats ORDER BY seat").fetchall()


@pytest.fixture
def till(server: Server, tmp_path: Path):
    """A second participant, of Concord's own kind, that votes as it is told."""
    args = [CONCORD, "participant", "till", "--obey", "--address", server.address, "--data-dir", tmp_path / "till"]
    process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


def test_a_lone_participant_decides(client: Client, participant: Participant, database: str):
    assert execute(client, seats="12A").outcome == COMMITTED
    refused = execute(client, seats="12A")
    assert refused.outcome == ABORTED
    assert "seat 12A is taken" in refused.abort_reason
    assert sold(database) == [("12A", 1)]


def test_all_or_nothing(client: Client, participant: Participant, till, database: str):
    assert execute(client, seats="12A", till="commit").outcome == COMMITTED
    assert execute(client, seats="12B", till="abort").outcome == ABORTED
    assert execute(client, seats="none", till="commit").outcome == COMMITTED
    failed = execute(client, seats="fault", till="commit")
    assert failed.outcome == ABORTED
    # What was raised is in the participant's log only.
    told = f"prepare failed; the participant's log says why, at transaction {failed.transaction_id}"
    assert told in [each.vote_reason for each in failed.participants]
    until(lambda: sold(database) == [("12A", 1)], "what was aborted is undone")
    assert participant.in_doubt() == []


def begin(client: Client, **payloads: str):
    """Resolves when it is decided."""
    request = two_phase_commit_pb2.ExecuteTransactionRequest(request_id=str(uuid.uuid4()))
    request.prepare_timeout.seconds = 120
    for participant_id, payload in payloads.items():
        request.participants.add(participant_id=participant_id, payload=payload.encode())
    return client.transactions.ExecuteTransaction.future(request, timeout=120)


def all_connected(client: Client) -> bool:
    request = two_phase_commit_pb2.ListParticipantsRequest()
    listed = client.call(client.transactions.ListParticipants, request).participants
    return {"seats", "till"} <= {each.participant_id for each in listed if each.connected}


def prepared(database: str) -> bool:
    with sqlite3.connect(database) as db:
        return db.execute("SELECT state FROM concord_transactions").fetchall() == [("prepared",)]


def test_a_participant_that_is_killed_in_doubt_keeps_its_promise(server: Server, client: Client, till, database: str):
    args = [sys.executable, Path(__file__).parent / "seats.py", server.address, database]
    process = subprocess.Popen(args, stderr=subprocess.DEVNULL)
    until(lambda: all_connected(client), "both are connected")
    till.send_signal(signal.SIGSTOP)
    decided = begin(client, seats="12A", till="commit")
    until(lambda: prepared(database), "it has promised")
    process.kill()
    process.wait()
    process = subprocess.Popen(args, stderr=subprocess.DEVNULL)
    till.send_signal(signal.SIGCONT)
    assert decided.result().transaction.outcome == COMMITTED
    until(lambda: sold(database) == [("12A", 1)], "the promise is kept")
    process.kill()
    process.wait()


def test_what_a_killed_coordinator_had_not_decided_is_undone(
    server: Server, client: Client, participant: Participant, till, database: str
):
    until(lambda: all_connected(client), "both are connected")
    till.send_signal(signal.SIGSTOP)
    decided = begin(client, seats="12A", till="commit")
    until(lambda: prepared(database), "it has promised")
    assert len(participant.in_doubt()) == 1
    server.kill()
    assert decided.exception() is not None
    server.start()
    until(lambda: sold(database) == [], "the promise is given back")
    assert participant.in_doubt() == []


def test_one_process_at_a_time(participant: Participant, server: Server, database: str):
    with pytest.raises(RuntimeError, match="in use"):
        Participant([server.address], participant_id="seats", database=database, resource=Seats())


def test_the_log_of_another_participant_is_refused(server: Server, database: str):
    Participant([], participant_id="seats", database=database, resource=Seats()).close()
    with pytest.raises(RuntimeError, match="is the log of participant 'seats'"):
        Participant([], participant_id="tables", database=database, resource=Seats())


def test_a_decision_log_that_was_restored_is_not_believed(
    server: Server, tmp_path: Path, database: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "concord.participant")
    older = tmp_path / "older"
    server.stop()
    shutil.copytree(server.data, older)
    server.start()
    participant = Participant([server.address], participant_id="seats", database=database, resource=Seats())
    until(lambda: "in session with coordinator" in caplog.text, "it has seen the newer log")
    server.stop()
    shutil.rmtree(server.data)
    shutil.copytree(older, server.data)
    server.start()
    until(lambda: "does not go on from it" in caplog.text, "the older log is found out")
    participant.close()
