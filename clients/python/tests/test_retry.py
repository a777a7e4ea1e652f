import grpc
import pytest
from concord.workflow.v1 import workflow_service_pb2
from concord_client import ConcordError, retry
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2

REQUEST = workflow_service_pb2.CreateWorkflowRequest(workflow_id="wf-1")


class Refusal(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, *details) -> None:
        self._code = code
        self._status = status_pb2.Status()
        for detail in details:
            packed = Any()
            packed.Pack(detail)
            self._status.details.append(packed)

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "no"

    def trailing_metadata(self):
        return (("grpc-status-details-bin", self._status.SerializeToString()),)


class Server:
    """Refuses in this order, then answers."""

    def __init__(self, *refusals: Refusal) -> None:
        self._refusals = list(refusals)
        self.heard = []

    def __call__(self, request, timeout: float) -> str:
        self.heard.append(request)
        if self._refusals:
            raise self._refusals.pop(0)
        return "done"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", pauses.append)
    return pauses


def call(server: Server) -> str:
    return retry.call(server, REQUEST, timeout=1.0, retry_for=60.0)


def info(reason: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(domain="concord", reason=reason)


def test_all_attempts_of_a_change_have_one_request_id(slept: list[float]):
    server = Server(*[Refusal(grpc.StatusCode.UNAVAILABLE)] * 3)
    assert call(server) == "done"
    assert len({request.request_id for request in server.heard}) == 1
    assert server.heard[0].request_id != ""
    assert REQUEST.request_id == ""
    assert len(slept) == 3


def test_the_pause_is_what_the_server_says(slept: list[float]):
    later = error_details_pb2.RetryInfo()
    later.retry_delay.seconds = 7
    assert call(Server(Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, info("OVERLOADED"), later))) == "done"
    assert slept == [7.0]


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL"])
def test_what_concord_has_not_answered_is_sent_again(slept: list[float], code: str):
    assert call(Server(Refusal(grpc.StatusCode[code]))) == "done"
    assert len(slept) == 1


@pytest.mark.parametrize("reason", ["WORKFLOW_NOT_FOUND", "RULE_DENIED", "VERSION_MISMATCH", "TRANSACTION_ABORTED", "INTERNAL"])
def test_what_would_be_no_better_is_sent_once(slept: list[float], reason: str):
    server = Server(Refusal(grpc.StatusCode.ABORTED, info(reason)))
    with pytest.raises(ConcordError) as failure:
        call(server)
    assert failure.value.reason == reason
    assert (len(server.heard), slept) == (1, [])


def test_a_pause_that_would_end_too_late_is_not_begun(slept: list[float]):
    later = error_details_pb2.RetryInfo()
    later.retry_delay.seconds = 61
    with pytest.raises(ConcordError):
        call(Server(Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, info("OVERLOADED"), later)))
    assert slept == []
