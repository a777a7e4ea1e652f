"""Over mutual TLS, with the certificates of `concord dev-certs`."""

import subprocess
from pathlib import Path

import grpc
import pytest
from concord.commit.v1 import transaction_pb2, two_phase_commit_pb2
from concord_client import Client, ConcordError
from concord_client.participant import COMMIT, Participant
from conftest import CONCORD, Server


class Nothing:
    def prepare(self, db, transaction_id, payload):
        return COMMIT

    def commit(self, db, transaction_id, payload):
        pass

    def abort(self, db, transaction_id, payload):
        pass


def test_client_and_participant_prove_who_they_are(tmp_path: Path):
    certs = tmp_path / "certs"
    subprocess.run([CONCORD, "dev-certs", certs, "--client", "ada"], check=True, capture_output=True)
    read = lambda name: (certs / f"{name}.pem").read_bytes()  # noqa: E731
    flags = ["--tls-cert", certs / "server.pem", "--tls-key", certs / "server-key.pem", "--tls-client-ca", certs / "ca.pem"]
    server = Server(tmp_path, flags=flags)
    tls = grpc.ssl_channel_credentials(read("ca"), read("ada-key"), read("ada"))
    participant = Participant(
        [server.address], participant_id="py", database=str(tmp_path / "py.sqlite"), resource=Nothing(), credentials=tls
    )
    try:
        with Client(server.address, requested_by="ada", credentials=tls) as client:
            request = two_phase_commit_pb2.ExecuteTransactionRequest(reason="a test")
            request.participants.add(participant_id="py", payload=b"")
            request.wait_for_participants.seconds = 10
            answer = client.call(client.transactions.ExecuteTransaction, request)
            assert answer.transaction.outcome == transaction_pb2.OUTCOME_COMMITTED
        anonymous = grpc.ssl_channel_credentials(read("ca"))
        with Client(server.address, requested_by="ada", retry_for=0.0, timeout=2.0, credentials=anonymous) as client:
            with pytest.raises(ConcordError):
                client.get("wf-1")
    finally:
        participant.close()
        server.stop()
