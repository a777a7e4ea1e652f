"""What is to be said on a stream, in order, with a heartbeat when there is nothing to say."""

import queue
import time
from collections.abc import Iterator

from concord.commit.v1 import two_phase_commit_pb2

_END = object()
_FIELD = {
    two_phase_commit_pb2.Hello: "hello",
    two_phase_commit_pb2.Vote: "vote",
    two_phase_commit_pb2.DecisionAck: "decision_ack",
    two_phase_commit_pb2.Inquiry: "inquiry",
    two_phase_commit_pb2.Heartbeat: "heartbeat",
    two_phase_commit_pb2.Goodbye: "goodbye",
    two_phase_commit_pb2.Nack: "nack",
}


class Outgoing:
    def __init__(self) -> None:
        self._items: queue.Queue = queue.Queue()
        self._interval: float | None = None
        #: The `sequence` of the last message that was handled.
        self.handled = 0

    def say(self, message) -> None:
        self._items.put(message)

    def beat_every(self, seconds: float) -> None:
        self._interval = seconds
        self._items.put(None)

    def end(self) -> None:
        """Half-closes the stream behind what was said before."""
        self._items.put(_END)

    def __iter__(self) -> Iterator[two_phase_commit_pb2.ParticipateRequest]:
        sequence = 0
        beaten_at = time.monotonic()
        while True:
            due = None if self._interval is None else max(0.0, beaten_at + self._interval - time.monotonic())
            try:
                item = self._items.get(timeout=due)
            except queue.Empty:
                beaten_at = time.monotonic()
                item = two_phase_commit_pb2.Heartbeat(last_sequence_seen=self.handled)
                item.sent_at.GetCurrentTime()
            if item is _END:
                return
            if item is not None:
                sequence += 1
                yield two_phase_commit_pb2.ParticipateRequest(sequence=sequence, **{_FIELD[type(item)]: item})
