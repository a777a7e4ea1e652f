"""A durable participant of Concord's transactions, whose log is in the SQLite database of its resource."""

import uuid
from collections.abc import Sequence

import grpc

from .link import Link
from .log import ParticipantLog
from .resource import COMMIT, READ_ONLY, Resource, Vote, abort
from .session import Session
from .step import Steps

__all__ = ["COMMIT", "READ_ONLY", "Participant", "Resource", "Vote", "abort"]


class Participant:
    """
    Takes part from its construction on until `close`, through losses of connection and restarts of the coordinators. `database` is the path of
    an SQLite file on a local disk, which one process at a time has; RuntimeError if it is in use, or another participant's.
    `credentials` are those of TLS.
    """

    def __init__(
        self,
        coordinators: Sequence[str],
        *,
        participant_id: str,
        database: str,
        resource: Resource,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._log = ParticipantLog(database, participant_id)
        steps = Steps(self._log, resource)
        instance_id = str(uuid.uuid4())
        self._links = [
            Link(address, credentials, lambda stub: Session(stub, self._log, steps, participant_id, instance_id))
            for address in coordinators
        ]

    def in_doubt(self) -> list[str]:
        """Transactions that are promised here, and whose outcome is not known yet."""
        return [transaction_id for transaction_id, _ in self._log.in_doubt()]

    def close(self) -> None:
        """What is promised stays promised, and is ended after the next start."""
        for link in self._links:
            link.close()
        self._log.close()
