"""A watch that goes on where it was, however often its stream ends."""

import time
from collections.abc import Iterator

import grpc
from concord.workflow.v1 import workflow_pb2, workflow_service_pb2

from .failures import from_rpc_error
from .retry import may_repeat, pauses


def watch_events(
    stub, *, after_sequence: int, workflow_id: str = "", filter: str = ""
) -> Iterator[workflow_pb2.WorkflowEvent]:
    """
    Every matching event after this sequence, once each, in order, for ever. Keep the `sequence` of the last one that you have dealt
    with, and begin with it after a restart. Raises ConcordError where no later stream could do better: REVISION_COMPACTED, if the events
    after this sequence were purged.
    """
    waits = pauses()
    while True:
        stream = stub.WatchWorkflowEvents(
            workflow_service_pb2.WatchWorkflowEventsRequest(
                after_sequence=after_sequence, workflow_id=workflow_id, filter=filter
            )
        )
        pause, is_open = 0.0, False
        try:
            for message in stream:
                waits, is_open = pauses(), True
                if message.WhichOneof("body") == "event":
                    # Before the caller has it: who comes back for the next one has dealt with this one.
                    after_sequence = message.event.sequence
                    yield message.event
                else:
                    after_sequence = max(after_sequence, message.progress.sequence)
        except grpc.RpcError as error:
            failure = from_rpc_error(error)
            # What has proved who watches has ended: there may be another proof already.
            has_expired = is_open and failure.reason == "UNAUTHENTICATED"
            if not may_repeat(failure) and not has_expired:
                raise failure from error
            pause = failure.retry_after or 0.0
        finally:
            stream.cancel()
        time.sleep(max(next(waits), pause))
