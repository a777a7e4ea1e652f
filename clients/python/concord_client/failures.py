"""A failed call as a value: its code, its reason, and what the table says about it."""

from dataclasses import dataclass, field

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from .reasons import ADVICE, Advice

# Nothing came back, or not from Concord. UNKNOWN and INTERNAL are what libraries say of a connection that broke and of a stream that was reset.
_UNANSWERED = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
}
_REFUSED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
}


@dataclass
class ConcordError(Exception):
    """Branch on `reason`, a name of `concord.error.v1.ErrorReason`; it is None if Concord has not answered."""

    code: grpc.StatusCode
    message: str
    reason: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    #: Seconds to wait before the same request, if the server says.
    retry_after: float | None = None
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.code.name} / {self.reason or '-'}: {self.message}"

    @property
    def advice(self) -> Advice:
        if self.reason == "VERSION_MISMATCH" and self.retry_after is not None:
            return Advice("not done", "same")
        if self.reason is not None:
            return ADVICE.get(self.reason, Advice("unknown", "no"))
        if self.code in _UNANSWERED:
            return Advice("unknown", "same")
        return Advice("not done" if self.code in _REFUSED else "unknown", "no")


def from_rpc_error(error: grpc.RpcError) -> ConcordError:
    failure = ConcordError(error.code(), error.details() or "")
    for detail in _details(error):
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        request, precondition = error_details_pb2.BadRequest(), error_details_pb2.PreconditionFailure()
        if detail.Unpack(info) and info.domain == "concord":
            failure.reason, failure.metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(retry):
            failure.retry_after = retry.retry_delay.ToTimedelta().total_seconds()
        elif detail.Unpack(request):
            failure.violations += [f"{each.field}: {each.description}" for each in request.field_violations]
        elif detail.Unpack(precondition):
            failure.violations += [f"{each.subject}: {each.description}" for each in precondition.violations]
    return failure


def _details(error: grpc.RpcError) -> list:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            try:
                return list(status_pb2.Status.FromString(value).details)
            except DecodeError:
                return []
    return []
