"""Over TLS, with the certificates of `concord dev-certs`; and with tokens of `concord token`."""

import json
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


def run(server: Server, tmp_path: Path, credentials: grpc.ChannelCredentials) -> None:
    participant = Participant(
        [server.address], participant_id="py", database=str(tmp_path / "py.sqlite"), resource=Nothing(), credentials=credentials
    )
    try:
        with Client(server.address, requested_by="ada", credentials=credentials) as client:
            request = two_phase_commit_pb2.ExecuteTransactionRequest(reason="a test")
            request.participants.add(participant_id="py", payload=b"")
            request.wait_for_participants.seconds = 10
            answer = client.call(client.transactions.ExecuteTransaction, request)
            assert answer.transaction.outcome == transaction_pb2.OUTCOME_COMMITTED
    finally:
        participant.close()


def refused(server: Server, credentials: grpc.ChannelCredentials) -> ConcordError:
    with Client(server.address, requested_by="ada", retry_for=0.0, timeout=2.0, credentials=credentials) as client:
        with pytest.raises(ConcordError) as error:
            client.get("wf-1")
    return error.value


def test_client_and_participant_prove_who_they_are_by_certificates(tmp_path: Path):
    certs = tmp_path / "certs"
    subprocess.run([CONCORD, "dev-certs", certs, "--client", "ada"], check=True, capture_output=True)
    read = lambda name: (certs / f"{name}.pem").read_bytes()  # noqa: E731
    flags = ["--tls-cert", certs / "server.pem", "--tls-key", certs / "server-key.pem", "--tls-client-ca", certs / "ca.pem"]
    server = Server(tmp_path, flags=flags)
    tls = grpc.ssl_channel_credentials(read("ca"), read("ada-key"), read("ada"))
    try:
        run(server, tmp_path, tls)
        refused(server, grpc.ssl_channel_credentials(read("ca")))
    finally:
        server.stop()


def test_client_and_participant_prove_who_they_are_by_tokens(tmp_path: Path):
    certs, file, access = tmp_path / "certs", tmp_path / "token", tmp_path / "access.yaml"
    subprocess.run([CONCORD, "dev-certs", certs], check=True, capture_output=True)
    made = subprocess.run(
        [CONCORD, "token", "new", "--principal", "ada", "--to", file, "-o", "json"], check=True, capture_output=True
    )
    grants = [{"principals": ["ada"], "roles": ["client"]}, {"principals": ["ada"], "roles": ["participant"], "participants": ["py"]}]
    authentication = {"tokens": [json.loads(made.stdout)["entry"]]}
    access.write_text(json.dumps({"authentication": authentication, "grants": grants}))
    flags = ["--tls-cert", certs / "server.pem", "--tls-key", certs / "server-key.pem", "--access", access]
    server = Server(tmp_path, flags=flags)
    tls = grpc.ssl_channel_credentials((certs / "ca.pem").read_bytes())
    token = grpc.access_token_call_credentials(file.read_text().strip())
    try:
        run(server, tmp_path, grpc.composite_channel_credentials(tls, token))
        assert refused(server, tls).reason == "UNAUTHENTICATED"
    finally:
        server.stop()
