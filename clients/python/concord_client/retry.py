"""Calls that are tried again where the table says `same`, with the request id that makes it safe."""

import random
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TypeVar

import grpc

from .failures import ConcordError, from_rpc_error

Answer = TypeVar("Answer")

#: Seconds. The first pause is up to this long; each further one up to twice as long.
PAUSE_MIN = 0.1
PAUSE_MAX = 5.0


def pauses() -> Iterator[float]:
    """Growing, and jittered, so that clients that failed together do not come back together."""
    longest = PAUSE_MIN
    while True:
        yield random.uniform(longest / 2, longest)
        longest = min(2 * longest, PAUSE_MAX)


def may_repeat(failure: ConcordError) -> bool:
    # A participant may have said why it will not; its violations are to be looked at before.
    return failure.advice.retry == "same" and failure.reason != "TRANSACTION_ABORTED"


def with_request_id(request):
    """Of a change: the same for all attempts."""
    if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
        changed = type(request)()
        changed.CopyFrom(request)
        changed.request_id = str(uuid.uuid4())
        return changed
    return request


def call(method: Callable[..., Answer], request, *, timeout: float, retry_for: float) -> Answer:
    """Raises ConcordError: the last one, if no attempt could begin within `retry_for` seconds."""
    request = with_request_id(request)
    ends = time.monotonic() + retry_for
    for pause in pauses():
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            failure = from_rpc_error(error)
        pause = max(pause, failure.retry_after or 0.0)
        if not may_repeat(failure) or time.monotonic() + pause > ends:
            raise failure
        time.sleep(pause)
    raise AssertionError("pauses do not end")
